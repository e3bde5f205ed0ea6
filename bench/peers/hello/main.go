// Command hello is the floor of a program in Go: it prints a line and ends.
package main

import "os"

func main() { _, _ = os.Stdout.WriteString("hello\n") }
