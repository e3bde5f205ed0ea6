//go:build !windows

package logging

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// log_file may lead to anything that is not a regular file: the program does not block, does not
// change it, and Check says what it is.
func TestLogThatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o644) }
	linkTo := func(target string) func(string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	var reader *os.File
	for _, row := range []struct {
		name string
		make func(path string) error
		says string
	}{
		{"pipe", pipe, "it is a named pipe, not a file"},
		{"link to a pipe", linkTo("pipe"), "it is a named pipe, not a file"},
		{"pipe with a reader", func(path string) error {
			if err := pipe(path); err != nil {
				return err
			}
			var err error
			reader, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			return err
		}, "it is a named pipe, not a file"},
		{"device", func(path string) error { return mknod(path, 1, 5) }, "it is a device, not a file"}, // as /dev/zero
		{"link to a device", linkTo("/dev/zero"), "it is a device, not a file"},
		{"link to nothing", linkTo(os.DevNull), ""},
		{"directory", func(path string) error { return os.Mkdir(path, 0o755) }, "it is a directory, not a file"},
		{"link to a directory", linkTo("directory"), "it is a directory, not a file"},
		{"s", func(path string) error {
			listener, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { _ = listener.Close() })
			}
			return err
		}, "it is a socket, not a file"},
		{"file", func(path string) error { return os.WriteFile(path, nil, 0o600) }, ""},
		{"link to a file", linkTo("file"), ""},
		{"none", func(string) error { return nil }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(dir, row.name)
			if err := row.make(path); err != nil {
				t.Skip("cannot be made here:", err)
			}
			before, lost := os.Stat(path)
			log := Open(path)
			log.Info("a line")
			log.Close()
			if got := Check(path); got == "" && row.says != "" || !strings.Contains(got, row.says) || row.says == "" && got != "" {
				t.Errorf("the message is %q, want %q", got, row.says)
			}
			after, err := os.Stat(path)
			if lost == nil && (err != nil || after.Mode() != before.Mode()) {
				t.Errorf("%v has become %v, %v", before.Mode(), after.Mode(), err)
			}
			if reader != nil {
				if n, err := reader.Read(make([]byte, 100)); n > 0 || err != io.EOF {
					t.Errorf("%d bytes are in the pipe, %v", n, err)
				}
				_ = reader.Close()
				reader = nil
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

// If log_file is a symbolic link, its target is rotated and not the link.
func TestRotationOfALinkedLog(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, make([]byte, maxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	log := Open(link)
	log.Info("a line")
	log.Close()
	if got, err := os.Readlink(link); err != nil || got != file {
		t.Errorf("the link is %q, %v", got, err)
	}
	if !strings.Contains(read(t, file), "a line") || len(read(t, file+".1")) != maxSize {
		t.Errorf("the file is %q", read(t, file))
	}
}

// The child process of TestLogToStandardError.
func TestLogsToStandardError(t *testing.T) {
	path := os.Getenv("LOG_TO")
	if path == "" {
		t.Skip("only for TestLogToStandardError")
	}
	log := Open(path)
	for range 2000 { // more than a pipe holds
		log.Log(context.Background(), 8, strings.Repeat("a line ", 20))
		if os.Getenv("LOG_ONCE") != "" {
			break
		}
	}
	if told := Check(path); told != "" {
		t.Error(told)
	}
	log.Close()
}

// log_file may be /dev/stderr: a pipe, even if nobody reads it, or a file, whose mode is not
// changed.
func TestLogToStandardError(t *testing.T) {
	if _, err := os.Stat("/dev/stderr"); err != nil {
		t.Skip(err)
	}
	child := func(stderr any, environ ...string) {
		t.Helper()
		command := exec.Command(os.Args[0], "-test.run=^TestLogsToStandardError$")
		command.Env = append(os.Environ(), append(environ, "LOG_TO=/dev/stderr")...)
		command.Stderr, _ = stderr.(*os.File)
		if output, err := command.Output(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	child(w, "LOG_ONCE=1")
	child(w) // it leaves a line where nobody reads
	_ = w.Close()
	if said, err := io.ReadAll(r); err != nil || !strings.Contains(string(said), "a line") {
		t.Errorf("%q, %v", said, err)
	}
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	child(file, "LOG_ONCE=1")
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o644 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
