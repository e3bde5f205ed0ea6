package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	if out, ok := stream.(*output); ok {
		stream = out.Writer
	}
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// coloured reports whether to write colours to w (https://no-color.org).
func coloured(w io.Writer) bool { return isTerminal(w) && os.Getenv("NO_COLOR") == "" }

// An asker asks a person at a terminal. It writes its questions to standard error, because
// standard output is for results. ^C ends every question.
type asker struct {
	ctx   context.Context
	in    io.Reader
	lines *bufio.Reader
	out   io.Writer
}

func newAsker(ctx context.Context, in io.Reader, out io.Writer) *asker {
	return &asker{ctx: ctx, in: in, lines: bufio.NewReader(in), out: out}
}

// ask returns the answer, or preset if it is empty.
func (a *asker) ask(question, preset string) (string, error) {
	if preset != "" {
		question += " [" + preset + "]"
	}
	fmt.Fprint(a.out, question+": ")
	answer, err := a.await(func() (string, error) { return a.lines.ReadString('\n') })
	if answer == "" {
		answer = preset
	}
	return answer, err
}

// yes asks a question. Every answer but y and yes means no.
func (a *asker) yes(question string) (bool, error) {
	answer, err := a.ask(question+" (y/N)", "")
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}

// hidden asks without echoing what is typed.
func (a *asker) hidden(question string) (string, error) {
	file, ok := a.in.(*os.File)
	if !ok {
		return a.ask(question, "")
	}
	fd := int(file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", problem.From(err)
	}
	fmt.Fprint(a.out, question+": ")
	answer, err := a.await(func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
	_ = term.Restore(fd, before)
	fmt.Fprintln(a.out)
	return answer, err
}

// await waits for read, or for the end of the command's context.
func (a *asker) await(read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case <-a.ctx.Done():
		fmt.Fprintln(a.out)
		return "", problem.From(context.Cause(a.ctx))
	case given := <-answered:
		if errors.Is(given.err, io.EOF) && given.text == "" {
			return "", problem.New(problem.Cancelled, "There was no answer.", "Start again.")
		}
		if given.err != nil && !errors.Is(given.err, io.EOF) {
			return "", problem.From(given.err)
		}
		return given.text, nil
	}
}
