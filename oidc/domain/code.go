package domain

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
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	codeStep = "sign in"
	// shortestCode is the shortest text that is taken for an authorization code, in
	// characters: a shorter code could be guessed (RFC 6749, 10.10).
	shortestCode = 16
)

// A CodeRequest is one authorization request (RFC 6749, 4.1.1) with PKCE (RFC 7636). It
// has the values that the response must match, and is for one response.
type CodeRequest struct {
	client   *application.Client
	origin   string // the domain's URL, without a path
	metadata *discovery.Metadata
	params   url.Values // further parameters of the authorization request
	check    answerCheck
	state    string
	nonce    string
	verifier string
}

// NewCodeRequest prepares an authorization request whose response goes to redirectURI,
// one of the registered ones. State, nonce and verifier are new.
func (d *Domain) NewCodeRequest(ctx context.Context, redirectURI string) (*CodeRequest, error) {
	m, client, err := d.discoverClient(ctx)
	if err != nil {
		return nil, err
	}
	check, err := d.newAnswerCheck(ctx, m)
	if err != nil {
		return nil, err
	}
	client.Endpoint.AuthURL, client.RedirectURL = m.Authorization, redirectURI
	r := &CodeRequest{
		client: client, origin: d.url.String(), metadata: m, params: d.authorizationParams(), check: check,
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}
	secret.Remember(r.state, r.nonce, r.verifier)
	return r, nil
}

// URL returns the authorization request's URL, the domain's sign-in page. It always has an
// S256 code challenge, although Oracle's discovery documents do not mention S256.
func (r *CodeRequest) URL() string {
	address := r.client.AuthCodeURL(r.state, oauth2.S256ChallengeOption(r.verifier), oauth2.SetAuthURLParam("nonce", r.nonce))
	if len(r.params) > 0 {
		address += "&" + r.params.Encode()
	}
	return address
}

// ErrForeignState means that a response does not belong to this request.
var ErrForeignState = errors.New("the state is not this attempt's")

// Parse reads the parameters of an authorization response (RFC 6749, 4.1.2). If they do
// not have this request's state, or one of them is repeated (3.1), it returns
// [ErrForeignState], whatever else they say. If they have an error (4.1.2.1), the wrong
// issuer or no code, it returns a problem.
func (r *CodeRequest) Parse(query url.Values) (code string, err error) {
	for _, values := range query {
		if len(values) > 1 {
			return "", ErrForeignState
		}
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(r.state)) != 1 {
		return "", ErrForeignState
	}
	// RFC 9207: iss is checked if it is there or the metadata promises it. Oracle's
	// domains do neither. Without a discovery document, it may be the domain's own URL.
	iss := query.Get("iss")
	own := r.metadata.Issuer == "" && strings.TrimSuffix(iss, "/") == r.origin
	if !own && (iss != "" || r.metadata.SendsIssuer) && iss != r.metadata.Issuer {
		return "", problem.New(problem.Domain, "Could not sign in: the answer came from another identity domain.", "Sign in again.")
	}
	if errorCode := query.Get("error"); errorCode != "" {
		return "", codeProblem(errorCode, "Could not "+codeStep+": ", exchange.Said(errorCode, query.Get("error_description"), ""))
	}
	if code = query.Get("code"); code == "" {
		return "", problem.New(problem.Domain, "Could not sign in: the answer holds no code.", "Sign in again.")
	}
	return code, nil
}

// pastedAround are characters that chats and documents add around a copied address.
const pastedAround = ".,; \t\r\n\u00a0\u200b\u2060\ufeff\"'`<>()[]\u201c\u201d\u201e\u2018\u2019"

// ParsePasted reads what a person pasted: the URL of the redirect, which their browser
// could not open, or its query, or only the code. If the text is not a response to this
// request, the error is a problem whose cause is [ErrForeignState]. State cannot be checked
// if only the code was pasted; the code verifier still ties the code to this request.
func (r *CodeRequest) ParsePasted(text string) (code string, err error) {
	text = strings.ReplaceAll(strings.Trim(text, pastedAround), "&amp;", "&")
	hint := "Paste the whole address that the browser shows after the sign-in; it begins with " + r.client.RedirectURL + "."
	if text == "" || len(text) > 16<<10 {
		return "", problem.New(problem.LoginDenied, "Nothing usable was pasted.", hint).Because(ErrForeignState)
	}
	query := text
	if _, after, isURL := strings.Cut(text, "?"); isURL {
		query, _, _ = strings.Cut(after, "#")
	} else if !strings.Contains(text, "code=") && !strings.Contains(text, "error=") {
		if len(text) < shortestCode || strings.ContainsAny(text, ": \t\r\n") {
			return "", problem.New(problem.LoginDenied, "The pasted text is neither the address nor a code.", hint).Because(ErrForeignState)
		}
		return text, nil
	}
	values, err := url.ParseQuery(query)
	if values.Has("response_type") && !values.Has("code") && !values.Has("error") {
		return "", problem.New(problem.LoginDenied, "The pasted address is the one to open, not the one to which the browser is sent.", hint).Because(ErrForeignState)
	}
	if err == nil {
		code, err = r.Parse(values)
	}
	var p *problem.Problem
	if err != nil && !errors.As(err, &p) {
		return "", problem.New(problem.LoginDenied, "The pasted address is not the answer to this sign-in.", hint).Because(ErrForeignState)
	}
	return code, err
}

// Redeem exchanges the code for tokens (RFC 6749, 4.1.3) and checks the ID token. If the
// domain does not accept the code, the problem has the kind LoginDenied and the cause
// [ErrInvalidGrant].
func (d *Domain) Redeem(ctx context.Context, r *CodeRequest, code string) (tokens.Tokens, error) {
	form := d.resources()
	form.Set("grant_type", "authorization_code")
	form.Set("code", code)
	form.Set("redirect_uri", r.client.RedirectURL)
	form.Set("code_verifier", r.verifier)
	x := d.post(ctx, r.client.Endpoint.TokenURL, r.client, form)
	answer, err := d.readAnswer(x)
	if err != nil {
		p := d.fault(codeStep, x, err)
		var refused *refusal
		if errors.Is(p, ErrInvalidGrant) && errors.As(err, &refused) {
			p.Kind = problem.LoginDenied
			p.Message = "Could not " + codeStep + ": the domain does not accept the code" + exchange.Said(refused.code, refused.description, x.SupportID()) + "."
			p.Hint = "It may have been used already, or be too old; sign in again."
		}
		return tokens.Tokens{}, p
	}
	return d.signedIn(ctx, answer, r.check, r.nonce)
}

// An answerCheck is what the ID token of a sign-in is checked against.
type answerCheck struct {
	metadata  *discovery.Metadata
	signature *signatureCheck
	asked     time.Time // when the sign-in began
}

func (d *Domain) newAnswerCheck(ctx context.Context, m *discovery.Metadata) (answerCheck, error) {
	signature, err := d.newSignatureCheck(ctx, m)
	return answerCheck{m, signature, time.Now()}, err
}

// signedIn checks the token response of a sign-in and returns its tokens.
func (d *Domain) signedIn(ctx context.Context, a answer, check answerCheck, nonce string) (tokens.Tokens, error) {
	m := check.metadata
	subject, err := d.checkIDToken(a, m.Issuer, nonce)
	if err == nil && d.config.MaxAge != nil {
		const clocksApart = 10 * time.Second
		err = idtoken.CheckAge(a.ID, check.asked.Add(d.ClockSkew()-time.Duration(*d.config.MaxAge)*time.Second-clocksApart))
	}
	if err == nil {
		err = check.signature.verify(ctx, a.ID)
	}
	if err != nil {
		return tokens.Tokens{}, err
	}
	tok, err := d.newTokens(a, m.Endpoints())
	if err != nil {
		return tokens.Tokens{}, err
	}
	if subject != "" {
		tok.Subject = subject
	}
	return tok, nil
}
