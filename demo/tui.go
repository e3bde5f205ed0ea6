package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// tryByHand opens the OpenCode TUI on a company whose sign-in page waits for the
// person, and ends everything when they leave it.
func tryByHand(ctx context.Context, say *transcript) error {
	if !isTerminal(os.Stdin) || !say.terminal {
		return errors.New("the TUI needs a terminal")
	}
	company, err := openCompany(say, domaintest.Options{ExpiresIn: 60})
	if err != nil {
		return err
	}
	defer company.Close()
	computer, err := newComputer(ctx, say, "tui")
	if err != nil {
		return err
	}
	defer computer.remove()
	if err := computer.configure(company.confidential()); err != nil {
		return err
	}
	if err := computer.joinDesktop(); err != nil {
		return err
	}

	user := company.Options().Users[0]
	say.step("You are Maria",
		"This is what the sign-in page of the stand-in asks for. In your company it is your own account.")
	say.fact("user name", user.Name)
	say.fact("password", user.Password)

	say.step("What to do in OpenCode",
		"It runs in a home of its own, with a model that nobody has signed in for yet.")
	say.fact("ask anything", "and read what OpenCode says as long as you are not signed in")
	say.fact("/connect", "and choose Company models (OCI identity domain), then how to sign in")
	say.fact("ask again", "and the model greets you; a minute later your token is over, and it still does")
	say.fact("/exit", "ends everything, and nothing stays")
	if err := enter(ctx, "\n   Press Enter to open OpenCode. "); err != nil {
		return err
	}

	company.mark()
	err = computer.openTUI(ctx)
	say.step("What the company has seen", "Its sign-in page, its tokens and its model, in this order.")
	company.showSeen(say)
	return err
}

// openTUI runs the TUI on the terminal of the demo until the person leaves it. It
// stays in the demo's process group, which is the one that the terminal listens to.
func (c *computer) openTUI(ctx context.Context) error {
	command := c.Command(ctx)
	command.SysProcAttr = nil
	// It can tidy up the terminal before it is killed, where there are signals.
	command.Cancel = func() error {
		if command.Process.Signal(syscall.SIGTERM) == nil {
			return nil
		}
		return command.Process.Kill()
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("opencode: %w", err)
	}
	return nil
}

// enter waits for the Enter key.
func enter(ctx context.Context, prompt string) error {
	fmt.Print(prompt)
	read := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		read <- err
	}()
	select {
	case err := <-read:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
