package domaintest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Allow does what a person does in a browser with the address of an authorization
// request: it opens the sign-in page, enters the first user's name and password,
// and allows. It returns the address that the browser is sent to, without going
// there. authorizationURL may be a short address that leads to the real one.
func (s *Server) Allow(ctx context.Context, authorizationURL string) (redirect string, err error) {
	user := s.current().Users[0]
	return s.press(ctx, authorizationURL, url.Values{
		"username": {user.Name}, "password": {user.Password}, "decision": {"allow"},
	})
}

// Deny is Allow for a person who denies.
func (s *Server) Deny(ctx context.Context, authorizationURL string) (redirect string, err error) {
	return s.press(ctx, authorizationURL, url.Values{"decision": {"deny"}})
}

// hiddenRequest is the authorization request inside the sign-in page.
var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]*)"`)

// press opens the sign-in page and sends form with it.
func (s *Server) press(ctx context.Context, authorizationURL string, form url.Values) (string, error) {
	browser := &http.Client{CheckRedirect: s.staying, Transport: &http.Transport{DisableKeepAlives: true}}
	open, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return "", err
	}
	page, redirect, err := browse(browser, open)
	if err != nil || redirect != "" {
		return redirect, err
	}
	hidden := hiddenRequest.FindStringSubmatch(page)
	if hidden == nil {
		return "", fmt.Errorf("this is no sign-in page: %s", page)
	}
	form.Set("request", html.UnescapeString(hidden[1]))

	send, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+pathSignIn, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	send.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	page, redirect, err = browse(browser, send)
	if err == nil && redirect == "" {
		err = fmt.Errorf("the sign-in page sends nobody back: %s", page)
	}
	return redirect, err
}

// staying follows the redirects to the domain, and stops at those that leave it.
func (s *Server) staying(next *http.Request, via []*http.Request) error {
	if !strings.HasPrefix(next.URL.String(), s.URL+"/") {
		return http.ErrUseLastResponse
	}
	if len(via) > 5 {
		return errors.New("the redirects do not end")
	}
	return nil
}

// browse sends the request and returns the page, or else where it redirects to.
func browse(browser *http.Client, request *http.Request) (page, redirect string, err error) {
	answer, err := browser.Do(request)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, formLimit))
	return string(text), answer.Header.Get("Location"), err
}
