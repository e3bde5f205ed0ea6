// Command raw is the floor of a conversation over stdio: to each line it answers
// with the same line of 1.6 kB, the size of an answer to getToken.
package main

import (
	"bufio"
	"os"
	"strings"
)

func main() {
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"accessToken":"` + strings.Repeat("x", 1530) + `"}}` + "\n")
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadSlice('\n'); err != nil {
			return
		}
		if _, err := os.Stdout.Write(answer); err != nil {
			return
		}
	}
}
