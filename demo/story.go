package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// The ways to sign in, as the plugin names them.
const (
	withBrowser = "Sign in with a browser"
	withCode    = "Sign in with a code on another device"
)

// tell runs the whole demo.
func tell(ctx context.Context, say *transcript) error {
	started := time.Now()
	say.title("The real OpenCode "+opencode.Latest+", signed in at a company's identity domain",
		"All of it happens on this computer, and nothing of your own OpenCode is read or changed.")
	company, err := openCompany(say, domaintest.Options{AutoApprove: true})
	if err != nil {
		return err
	}
	defer company.Close()
	first, took, err := atTheLaptop(ctx, say, company)
	if err != nil {
		return err
	}
	// Long enough for one answer, and short enough to wait for its expiry.
	life := max(8*time.Second, 2*(took+time.Second)).Round(time.Second)
	second, third, err := atTheServer(ctx, say, company, life)
	if err != nil {
		return err
	}
	if first == second || second == third {
		return errors.New("an old token was used where a new one had to be")
	}
	say.good("The token is another one than before, and the person was not asked.")
	say.title(fmt.Sprintf("Three answers, three tokens, two sign-ins, one refresh: all as it should be, in %.0f s.",
		time.Since(started).Seconds()), "make demo-tui lets you try it by hand. The logs of this run are in build/demo.")
	return nil
}

// atTheLaptop signs in with a browser and asks one question. It returns the fingerprint of
// the token that the answer came with, and how long the answer took.
func atTheLaptop(ctx context.Context, say *transcript, company *company) (token string, took time.Duration, err error) {
	say.step("Maria's laptop: OpenCode, and two files",
		"This is all a person has to write. The token is nowhere in it: the plugin puts it on each request.")
	laptop, err := newComputer(ctx, say, "laptop")
	if err != nil {
		return "", 0, err
	}
	defer laptop.remove()
	if err := errors.Join(laptop.configure(company.confidential()), laptop.show("opencode.json", "oci-auth.config.jsonc"),
		laptop.useBrowser(byItself)); err != nil {
		return "", 0, err
	}

	say.step("Maria signs in with her browser",
		"The helper opens it and waits for the way back: authorization code with PKCE. In /connect it is the same.")
	if err := laptop.signIn(ctx, company, withBrowser, nil); err != nil {
		return "", 0, err
	}

	say.step("Maria asks, and the model answers",
		"The endpoint greets the user named in the token. OpenCode asks it twice: for the answer, and for a title.")
	asked := time.Now()
	token, err = laptop.ask(ctx, company, "Hello, who am I?")
	return token, time.Since(asked), err
}

// atTheServer signs in with a device code and asks two questions, with tokens that are valid
// for the given time. It returns the fingerprints of the tokens that the answers came with.
func atTheServer(ctx context.Context, say *transcript, company *company, life time.Duration) (first, second string, err error) {
	say.step("A server without a browser",
		"Another home, another application of the domain: a public one, which has no client secret.")
	server, err := newComputer(ctx, say, "server")
	if err != nil {
		return "", "", err
	}
	defer server.remove()
	if err := errors.Join(server.configure(company.mobile()), server.show("oci-auth.config.jsonc")); err != nil {
		return "", "", err
	}
	server.hasNoBrowser()

	company.Change(func(o *domaintest.Options) {
		o.AutoApprove = false
		o.ExpiresIn = int(life.Seconds())
	})
	say.step("Maria signs in there with a code",
		"She reads a code on the server and enters it on her phone. The helper waits for that: the device flow.")
	if err := server.signIn(ctx, company, withCode, company.approveOnPhone(say)); err != nil {
		return "", "", err
	}

	say.step("The same question there",
		"Another process, another session, the same way of a request.")
	if first, err = server.ask(ctx, company, "Hello, who am I?"); err != nil {
		return "", "", err
	}

	say.step("The token expires, and nobody notices",
		fmt.Sprintf("The domain made the last one for %d s only; the next question comes after that.", life/time.Second))
	if err := company.outlive(ctx, say, life); err != nil {
		return "", "", err
	}
	company.Change(func(o *domaintest.Options) { o.ExpiresIn = 3600 })
	if second, err = server.ask(ctx, company, "Hello again, who am I?"); err != nil {
		return "", "", err
	}
	return first, second, company.onlyRefreshed(say)
}

// signIn runs opencode auth login; hear gets what it prints, line by line.
func (c *computer) signIn(ctx context.Context, company *company, label string, hear func(string) error) error {
	company.mark()
	_, err := c.opencode(ctx, hear, "auth", "login", "-p", "oci-oidc", "-m", label)
	company.showSeen(c.say)
	if err != nil {
		return err
	}
	return c.checkAuthFile()
}

// ask runs opencode run and returns the fingerprint of the token that the answer
// came with.
func (c *computer) ask(ctx context.Context, company *company, question string) (token string, err error) {
	company.mark()
	answer, err := c.opencode(ctx, nil, "run", question)
	company.showSeen(c.say)
	if err != nil {
		return "", err
	}
	if want := company.greeting(); answer != want {
		return "", fmt.Errorf("OpenCode's answer is %q, not %q", answer, want)
	}
	return company.verified(c.say)
}

// shownCode is the user code in what OpenCode prints.
var shownCode = regexp.MustCompile(`Code: (\S+)`)

// approveOnPhone returns what Maria does when a line that OpenCode prints has the
// code: she enters it at the address beside it.
func (c *company) approveOnPhone(say *transcript) func(string) error {
	return func(line string) error {
		code := shownCode.FindStringSubmatch(line)
		if code == nil {
			return nil
		}
		say.remark("Maria enters " + code[1] + " on her phone, signs in there and allows it.")
		return c.ApproveDevice(code[1])
	}
}
