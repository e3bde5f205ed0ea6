package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

// pasteLimit bounds a pasted line, in bytes.
const pasteLimit = 1 << 20

// readPasted passes each pasted line to the session until one is accepted. If the input ends
// before that, it gives up the sign-in.
func readPasted(cmd *cobra.Command, session *oidc.Session, in io.Reader, giveUp context.CancelCauseFunc) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, pasteLimit)
	for lines.Scan() {
		err := session.Answer(cmd.Context(), lines.Text())
		if err == nil {
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%v\n", err)
	}
	giveUp(problem.New(problem.Cancelled, "The sign-in was given up: standard input has ended, so that nobody can paste the address.",
		`Run "oci-oidc-helper connect --flow paste" at a terminal, or sign in with --flow device.`).Because(lines.Err()))
}

// pasteInput returns the reader of pasted lines: in, or a line editor if in is a terminal.
// restore resets the terminal.
func pasteInput(in io.Reader, out io.Writer) (lines io.Reader, restore func()) {
	if file, ok := in.(*os.File); ok {
		if restore, err := keyByKey(int(file.Fd())); err == nil {
			return &lineEditor{in: bufio.NewReader(file), out: out}, restore
		}
	}
	return in, func() {}
}

const (
	endOfInput = 4 // ^D
	backspace  = 8
	escape     = 27
	rubout     = 127
)

// skipSequence reads the rest of a control sequence, such as an arrow key or the marks of a
// bracketed paste (ECMA-48, 5.4).
func (e *lineEditor) skipSequence() {
	if next, err := e.in.Peek(1); err != nil || next[0] != '[' && next[0] != 'O' {
		return
	}
	_, _ = e.in.Discard(1)
	for {
		if key, err := e.in.ReadByte(); err != nil || '@' <= key && key <= '~' {
			return
		}
	}
}

// A lineEditor reads lines from a terminal in non-canonical mode. In canonical mode Linux
// cuts a line at 4,095 bytes and macOS at 1,024, and the pasted address may be longer. It
// echoes what is typed; erasing is the only editing that it supports.
type lineEditor struct {
	in   *bufio.Reader
	out  io.Writer
	line []byte // the rest of a finished line, for Read
	text []byte // the line that is being typed
}

func (e *lineEditor) Read(p []byte) (int, error) {
	for len(e.line) == 0 {
		key, err := e.in.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case key == endOfInput && len(e.text) == 0:
			return 0, io.EOF
		case key == '\n' || key == '\r' || len(e.text) == pasteLimit:
			fmt.Fprintln(e.out)
			e.line, e.text = append(e.text, '\n'), nil
		case key == escape:
			e.skipSequence()
		case (key == backspace || key == rubout) && len(e.text) > 0:
			fmt.Fprint(e.out, "\b \b")
			e.text = e.text[:len(e.text)-1]
		case key > ' ' && key < rubout: // the characters that an address can have
			_, _ = e.out.Write([]byte{key})
			e.text = append(e.text, key)
		}
	}
	n := copy(p, e.line)
	e.line = e.line[n:]
	return n, nil
}
