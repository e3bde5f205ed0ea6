//go:build windows

// Holder keeps a file as a virus scanner or a backup does: others may read it, and not
// replace it. It says that it has begun, and ends a while after its input does.
//
//	holder FILE DURATION
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

func main() {
	name, err := windows.UTF16PtrFromString(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	duration, err := time.ParseDuration(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ, nil, windows.OPEN_EXISTING, 0, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	time.Sleep(duration)
}
