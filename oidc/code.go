package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

const (
	codeStep = "sign in"
	// codeLifetime is how long a person has for the sign-in page.
	codeLifetime = 5 * time.Minute
)

// A codeRequest is one authorization request (RFC 6749, 4.1.1; RFC 7636): what
// its answer must match. It is good for one answer.
type codeRequest struct {
	client   *oauth2.Config
	metadata *metadata
	state    string
	nonce    string
	verifier string
}

func (d *Domain) newCodeRequest(ctx context.Context) (*codeRequest, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return nil, err
	}
	client, err := d.oauth(m.Token)
	if err != nil {
		return nil, err
	}
	client.Endpoint.AuthURL = m.Authorization
	return &codeRequest{
		client: client, metadata: m,
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}, nil
}

// url is the domain's sign-in page for this request. S256 is always sent, though
// Oracle's discovery documents do not mention it.
func (r *codeRequest) url() string {
	return r.client.AuthCodeURL(r.state, oauth2.S256ChallengeOption(r.verifier), oauth2.SetAuthURLParam("nonce", r.nonce))
}

var errForeignState = errors.New("the state is not this attempt's")

// parse reads an authorization response (RFC 6749, 4.1.2). A response without
// this request's state is errForeignState, whatever else it says; one that
// carries an error is a problem.
func (r *codeRequest) parse(query url.Values) (code string, err error) {
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {
		return "", errForeignState
	}
	// RFC 9207, checked where it is sent: Oracle's domains do not.
	if iss := query.Get("iss"); iss != "" && r.metadata.Issuer != "" && iss != r.metadata.Issuer {
		return "", problem.New(problem.Domain, "Could not sign in: the answer came from another identity domain.", "Sign in again.")
	}
	if errorCode := query.Get("error"); errorCode != "" {
		return "", codeProblem(errorCode, "Could not "+codeStep+": ", said(errorCode, query.Get("error_description"), ""))
	}
	if code = query.Get("code"); code == "" {
		return "", problem.New(problem.Domain, "Could not sign in: the answer holds no code.", "Sign in again.")
	}
	return code, nil
}

// parsePasted reads what a person pasted: the address of the page that could not
// be opened, its query, or the code alone.
func (r *codeRequest) parsePasted(text string) (code string, err error) {
	text = strings.TrimSpace(text)
	hint := "Paste the whole address that the browser shows after the sign-in; it begins with " + r.client.RedirectURL + "."
	if text == "" || len(text) > 16<<10 {
		return "", problem.New(problem.LoginDenied, "Nothing usable was pasted.", hint).Because(errForeignState)
	}
	query := text
	if _, after, isURL := strings.Cut(text, "?"); isURL {
		query, _, _ = strings.Cut(after, "#")
	} else if !strings.Contains(text, "code=") && !strings.Contains(text, "error=") {
		return text, nil
	}
	values, err := url.ParseQuery(query)
	if err == nil {
		code, err = r.parse(values)
	}
	var p *problem.Problem
	if err != nil && !errors.As(err, &p) {
		return "", problem.New(problem.LoginDenied, "The pasted address is not the answer to this sign-in.", hint).Because(errForeignState)
	}
	return code, err
}

// redeem exchanges the code for tokens (RFC 6749, 4.1.3).
func (d *Domain) redeem(ctx context.Context, r *codeRequest, code string) (store.Tokens, error) {
	ctx, x := d.exchange(ctx)
	answer, err := r.client.Exchange(ctx, code, oauth2.VerifierOption(r.verifier))
	d.learnClock(x)
	if err != nil {
		p := d.fault(codeStep, x, err)
		if errors.Is(p, errInvalidGrant) {
			p.Hint = "The code may have been used already, or was too old; sign in again."
		}
		return store.Tokens{}, p
	}
	return d.signedIn(answer, r.metadata, r.nonce)
}

// signedIn checks the answer of a sign-in and makes tokens of it.
func (d *Domain) signedIn(answer *oauth2.Token, m *metadata, nonce string) (store.Tokens, error) {
	subject, err := d.checkIDToken(answer, m.Issuer, nonce)
	if err != nil {
		return store.Tokens{}, err
	}
	tokens := received(answer, m.endpoints())
	if subject != "" {
		tokens.Subject = subject
	}
	return tokens, nil
}

// signInWithBrowser makes the authorization code flow with a listener at the
// registered redirect URI (RFC 8252): show is called once with what the person
// must be shown, keep with the tokens before the browser is told of success.
func (d *Domain) signInWithBrowser(ctx context.Context, pasted <-chan pastedRedirect, show func(Prompt), keep func(store.Tokens) error) error {
	// The listener first: without it there is no use in asking the domain.
	callback, err := listenForCallback(d.config.RedirectURI, d.config.BaseURL)
	if err != nil {
		return err
	}
	defer callback.close()
	request, err := d.newCodeRequest(ctx)
	if err != nil {
		return err
	}
	callback.serve(request)
	expiresAt := time.Now().Add(d.patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, d.nobodyCame())
	defer cancel()
	show(Prompt{Flow: Browser, URL: callback.startURL, ExpiresAt: expiresAt})
	code, err := awaitCode(ctx, request, callback.arrived, pasted)
	if err == nil {
		err = d.finishCode(ctx, request, code, keep)
	}
	callback.finish(err)
	return err
}

// signInWithPaste makes the authorization code flow where no listener can be
// reached: the person pastes the redirect. A wrong paste may be tried again.
func (d *Domain) signInWithPaste(ctx context.Context, pasted <-chan pastedRedirect, show func(Prompt), keep func(store.Tokens) error) error {
	request, err := d.newCodeRequest(ctx)
	if err != nil {
		return err
	}
	expiresAt := time.Now().Add(d.patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, d.nobodyCame())
	defer cancel()
	show(Prompt{Flow: Paste, URL: request.url(), ExpiresAt: expiresAt})
	code, err := awaitCode(ctx, request, nil, pasted)
	if err != nil {
		return err
	}
	return d.finishCode(ctx, request, code, keep)
}

// awaitCode waits for the browser's answer or a pasted one. A wrong paste is
// told to who pasted it, and another may follow; a right one that says no ends it.
func awaitCode(ctx context.Context, request *codeRequest, arrived <-chan arrival, pasted <-chan pastedRedirect) (code string, err error) {
	for {
		select {
		case <-ctx.Done():
			return "", problem.From(context.Cause(ctx))
		case a := <-arrived:
			return a.code, a.err
		case paste := <-pasted:
			code, err := request.parsePasted(paste.text)
			paste.reply <- err
			if !errors.Is(err, errForeignState) {
				return code, err
			}
		}
	}
}

func (d *Domain) finishCode(ctx context.Context, request *codeRequest, code string, keep func(store.Tokens) error) error {
	tokens, err := d.redeem(ctx, request, code)
	if err != nil {
		return err
	}
	return keep(tokens)
}

// nobodyCame is the problem of a sign-in that was not finished. Oracle shows a
// wrong client or redirect on a page of its own, which never comes back to us.
func (d *Domain) nobodyCame() *problem.Problem {
	return problem.New(problem.LoginTimeout, "Nobody finished the sign-in in the browser.",
		"Start again. If the browser showed an error page of the domain, check client_id, and that the redirect URL "+
			d.config.RedirectURI+" is registered in the application exactly like that.")
}

// A pastedRedirect is what a person pasted, and where to say what is wrong with it.
type pastedRedirect struct {
	text  string
	reply chan<- error
}
