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
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

const (
	codeStep = "sign in"
	// codeLifetime is how long a person has for the sign-in page.
	codeLifetime = 5 * time.Minute
	// shortestCode is what a code has in characters, at least: what is shorter
	// could be guessed (RFC 6749, 10.10).
	shortestCode = 16
)

// A codeRequest is one authorization request (RFC 6749, 4.1.1; RFC 7636): what
// its answer must match. It is good for one answer.
type codeRequest struct {
	client   *client
	metadata *metadata
	page     url.Values // more parameters for the sign-in page
	check    answerCheck
	state    string
	nonce    string
	verifier string
}

func (d *Domain) newCodeRequest(ctx context.Context, redirectURI string) (*codeRequest, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return nil, err
	}
	client, err := d.client(m.endpoints())
	if err != nil {
		return nil, err
	}
	check, err := d.newAnswerCheck(ctx, m)
	if err != nil {
		return nil, err
	}
	client.Endpoint.AuthURL, client.RedirectURL = m.Authorization, redirectURI
	r := &codeRequest{
		client: client, metadata: m, page: d.signInPage(), check: check,
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}
	secret.Remember(r.state, r.nonce, r.verifier)
	return r, nil
}

// url is the domain's sign-in page for this request. S256 is always sent, though
// Oracle's discovery documents do not mention it.
func (r *codeRequest) url() string {
	address := r.client.AuthCodeURL(r.state, oauth2.S256ChallengeOption(r.verifier), oauth2.SetAuthURLParam("nonce", r.nonce))
	if len(r.page) > 0 {
		address += "&" + r.page.Encode()
	}
	return address
}

var errForeignState = errors.New("the state is not this attempt's")

// parse reads an authorization response (RFC 6749, 4.1.2). A response without
// this request's state, or with a parameter twice (3.1), is errForeignState,
// whatever else it says; one that carries an error is a problem.
func (r *codeRequest) parse(query url.Values) (code string, err error) {
	for _, values := range query {
		if len(values) > 1 {
			return "", errForeignState
		}
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {
		return "", errForeignState
	}
	// RFC 9207, checked where it is sent or promised: Oracle's domains do neither.
	if iss := query.Get("iss"); (iss != "" || r.metadata.SendsIssuer) && iss != r.metadata.Issuer {
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
		if len(text) < shortestCode || strings.ContainsAny(text, ": \t\r\n") {
			return "", problem.New(problem.LoginDenied, "The pasted text is neither the address nor a code.", hint).Because(errForeignState)
		}
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
	ctx, x := d.exchangeAs(ctx, r.client, d.resources())
	answer, err := r.client.Exchange(ctx, code, oauth2.VerifierOption(r.verifier))
	d.learnClock(x)
	if err != nil {
		p := d.fault(codeStep, x, err)
		var refused *oauth2.RetrieveError
		if errors.Is(p, errInvalidGrant) && errors.As(err, &refused) {
			p.Kind = problem.LoginDenied
			p.Message = "Could not " + codeStep + ": the domain does not accept the code" + said(refused.ErrorCode, refused.ErrorDescription, x.supportID()) + "."
			p.Hint = "It may have been used already, or be too old; sign in again."
		}
		return store.Tokens{}, p
	}
	return d.signedIn(ctx, answer, r.check, r.nonce)
}

// An answerCheck is what the answer of a sign-in is checked against.
type answerCheck struct {
	metadata  *metadata
	signature *signatureCheck
	asked     time.Time // when the sign-in began
}

func (d *Domain) newAnswerCheck(ctx context.Context, m *metadata) (answerCheck, error) {
	signature, err := d.newSignatureCheck(ctx, m)
	return answerCheck{m, signature, time.Now()}, err
}

// signedIn checks the answer of a sign-in and makes tokens of it.
func (d *Domain) signedIn(ctx context.Context, answer *oauth2.Token, check answerCheck, nonce string) (store.Tokens, error) {
	m := check.metadata
	subject, err := d.checkIDToken(answer, m.Issuer, nonce)
	if err == nil {
		err = d.checkAge(answer, check.asked)
	}
	if raw, _ := answer.Extra("id_token").(string); err == nil {
		err = check.signature.verify(ctx, raw)
	}
	if err != nil {
		return store.Tokens{}, err
	}
	tokens, err := d.received(answer, m.endpoints())
	if err != nil {
		return store.Tokens{}, err
	}
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
	callback, redirectURI, err := listenAtOne(d.config.RedirectURIs, d.config.BaseURL)
	if err != nil {
		return err
	}
	defer callback.close()
	request, err := d.newCodeRequest(ctx, redirectURI)
	if err != nil {
		return err
	}
	callback.serve(request)
	expiresAt := time.Now().Add(d.patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, nobodyCame(request.client.RedirectURL))
	defer cancel()
	show(Prompt{Flow: Browser, URL: callback.startURL, ExpiresAt: expiresAt})
	code, reply, err := awaitCode(ctx, request, callback.arrived, pasted)
	if err == nil {
		err = d.finishCode(ctx, request, code, keep)
		reply <- err
	}
	callback.finish(err)
	return err
}

// signInWithPaste makes the authorization code flow where no listener can be
// reached: the person pastes the redirect. A wrong paste may be tried again, and
// so may one that the domain does not take.
func (d *Domain) signInWithPaste(ctx context.Context, pasted <-chan pastedRedirect, show func(Prompt), keep func(store.Tokens) error) error {
	request, err := d.newCodeRequest(ctx, d.config.RedirectURIs[0])
	if err != nil {
		return err
	}
	expiresAt := time.Now().Add(d.patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, nobodyCame(request.client.RedirectURL))
	defer cancel()
	show(Prompt{Flow: Paste, URL: request.url(), ExpiresAt: expiresAt})
	for {
		code, reply, err := awaitCode(ctx, request, nil, pasted)
		if err != nil {
			return err
		}
		err = d.finishCode(ctx, request, code, keep)
		reply <- err
		if !errors.Is(err, errInvalidGrant) {
			return err
		}
	}
}

// awaitCode waits for the browser's answer or a pasted one, to whose owner a reply
// is then owed. A wrong paste is told to who pasted it, and another may follow; a
// right one that says no ends it.
func awaitCode(ctx context.Context, request *codeRequest, arrived <-chan arrival, pasted <-chan pastedRedirect) (code string, reply chan<- error, err error) {
	for {
		select {
		case <-ctx.Done():
			return "", nil, problem.From(context.Cause(ctx))
		case a := <-arrived:
			return a.code, make(chan error, 1), a.err
		case paste := <-pasted:
			code, err := request.parsePasted(paste.text)
			if err == nil {
				return code, paste.reply, nil
			}
			paste.reply <- err
			if !errors.Is(err, errForeignState) {
				return "", nil, err
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
func nobodyCame(redirectURI string) *problem.Problem {
	return problem.New(problem.LoginTimeout, "Nobody finished the sign-in in the browser.",
		"Start again. If the browser showed an error page of the domain, check client_id, and that the redirect URL "+
			redirectURI+" is registered in the application exactly like that.")
}

// A pastedRedirect is what a person pasted, and where to say what is wrong with it.
type pastedRedirect struct {
	text  string
	reply chan<- error
}
