package oidc

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"html"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

const (
	// lastPageTime is how long a listener stays for the browser to fetch the
	// page that says how the sign-in ended.
	lastPageTime = 3 * time.Second
	// callbackTimeout bounds one request of a browser.
	callbackTimeout = exchangeTimeout + 5*time.Second
)

// A callback is the loopback listener of one sign-in (RFC 8252, 7.3). It serves
// three addresses and nothing else: the short one that leads to the domain's
// sign-in page, the registered redirect URI, and the page that says how it ended,
// so that the code does not stay in the browser's address line.
type callback struct {
	startURL string
	arrived  chan arrival // the one answer to this attempt

	redirect   *url.URL
	endpoint   string // for the page: what the sign-in is for
	startPath  string
	resultPath string
	listeners  []net.Listener
	server     *http.Server

	claim  sync.Once
	ended  chan struct{} // closed by finish
	result error         // how it ended, once ended is closed
	shown  chan struct{} // closed when the last page was served
	once   struct{ finish, shown sync.Once }
}

// An arrival is an authorization response that carries this attempt's state.
type arrival struct {
	code string
	err  error
}

// listenForCallback listens at the registered redirect URI: on 127.0.0.1 and ::1
// for localhost, else on the literal address alone. Never at another port: only
// registered redirect URIs work.
func listenForCallback(redirectURI, endpoint string) (*callback, error) {
	redirect, err := url.Parse(redirectURI)
	if err != nil {
		return nil, problem.New(problem.Config, "redirect_uri is not a web address.", "Write it as http://localhost:8888/callback.").Because(err)
	}
	if redirect.Path == "" {
		redirect.Path = "/"
	}
	c := &callback{
		arrived:    make(chan arrival, 1),
		redirect:   redirect,
		endpoint:   endpoint,
		startPath:  "/" + rand.Text()[:10],
		resultPath: "/" + rand.Text()[:10],
		ended:      make(chan struct{}),
		shown:      make(chan struct{}),
	}
	c.startURL = "http://" + redirect.Host + c.startPath
	for _, address := range loopbackAddresses(redirect) {
		listener, err := net.Listen("tcp", address)
		if err != nil && len(c.listeners) > 0 && isAny(err, noSuchAddress) {
			continue // no IPv6 on this machine
		}
		if err != nil {
			c.closeListeners()
			return nil, portProblem(redirectURI, address, err)
		}
		c.listeners = append(c.listeners, listener)
	}
	return c, nil
}

func loopbackAddresses(redirect *url.URL) []string {
	port := redirect.Port()
	if port == "" {
		port = "80"
	}
	if strings.EqualFold(redirect.Hostname(), "localhost") {
		return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return []string{net.JoinHostPort(redirect.Hostname(), port)}
}

func portProblem(redirectURI, address string, err error) *problem.Problem {
	if isAny(err, notAllowed) {
		return problem.New(problem.PortInUse, "The address of redirect_uri, "+address+", may not be used by you.",
			"Register a redirect URL with another port, for instance http://localhost:8888/callback, and write it as redirect_uri.").Because(err)
	}
	return problem.New(problem.PortInUse, "The address of redirect_uri, "+address+", is used by another program.",
		"Stop that program, or register another redirect URL than "+redirectURI+" in the application and write it as redirect_uri.").Because(err)
}

// isAny reports whether err is one of the errors of a system call.
func isAny(err error, errnos []syscall.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}

// serve begins to answer browsers on behalf of one request.
func (c *callback) serve(request *codeRequest) {
	c.server = &http.Server{
		Handler:           c.handler(request),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      callbackTimeout,
		MaxHeaderBytes:    maxHeaderSize,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	for _, listener := range c.listeners {
		go c.server.Serve(listener) //nolint:errcheck // ends with close
	}
}

func (c *callback) handler(request *codeRequest) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		switch {
		// A page elsewhere whose name was pointed at this machine (DNS
		// rebinding) sends its own name.
		case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(c.redirect.Host, ":80")):
			c.page(w, http.StatusMisdirectedRequest, pageForeign)
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			c.page(w, http.StatusMethodNotAllowed, pageForeign)
		case r.URL.Path == c.startPath:
			http.Redirect(w, r, request.url(), http.StatusFound)
		case r.URL.Path == c.resultPath:
			c.showResult(w)
		case r.URL.Path == c.redirect.Path:
			c.receive(w, r, request)
		default:
			c.page(w, http.StatusNotFound, pageForeign)
		}
	})
}

// receive takes the authorization response. One that does not carry this
// attempt's state changes nothing.
func (c *callback) receive(w http.ResponseWriter, r *http.Request, request *codeRequest) {
	code, err := request.parse(r.URL.Query())
	if errors.Is(err, errForeignState) {
		c.page(w, http.StatusBadRequest, pageForeign)
		return
	}
	first := false
	c.claim.Do(func() { first = true })
	if first {
		c.arrived <- arrival{code, err}
	}
	select {
	case <-c.ended:
		http.Redirect(w, r, c.resultPath, http.StatusSeeOther)
	case <-r.Context().Done():
	}
}

func (c *callback) showResult(w http.ResponseWriter) {
	select {
	case <-c.ended:
	default:
		c.page(w, http.StatusNotFound, pageForeign)
		return
	}
	if c.result == nil {
		c.page(w, http.StatusOK, pageDone)
	} else {
		p := problem.From(c.result)
		c.page(w, http.StatusOK, page{Title: "Not signed in", Text: p.Message, Next: p.Hint})
	}
	c.once.shown.Do(func() { close(c.shown) })
}

// finish tells the waiting browser how the sign-in ended.
func (c *callback) finish(result error) {
	c.once.finish.Do(func() {
		c.result = result
		close(c.ended)
	})
}

// close ends the listener: at once if no browser is waiting, else when it has
// fetched the last page.
func (c *callback) close() {
	defer c.closeListeners()
	if c.server == nil {
		return
	}
	waiting := true
	c.claim.Do(func() { waiting = false })
	c.finish(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	if waiting {
		select {
		case <-c.shown:
		case <-time.After(lastPageTime):
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
}

func (c *callback) closeListeners() {
	for _, listener := range c.listeners {
		_ = listener.Close()
	}
}

// harden sets the headers of every answer: nothing is loaded, framed, cached, or
// told to the next page.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// A page is what the browser shows.
type page struct {
	Done     bool
	Title    string
	Text     string
	Next     string
	Endpoint string
}

var (
	pageDone = page{Done: true, Title: "You are signed in",
		Text: "OpenCode can now use your company's models.", Next: "You can close this window and go back to OpenCode."}
	pageForeign = page{Title: "Nothing to see here",
		Text: "This address belongs to no sign-in that is waiting.", Next: "To sign in, run /connect in OpenCode and use the address it shows."}
)

//go:embed pages/result.html
var resultHTML string

func (c *callback) page(w http.ResponseWriter, status int, p page) {
	p.Endpoint = c.endpoint
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, p.html())
}

// html is the page as HTML. It is not made with html/template, which keeps the
// linker from dropping unused methods anywhere: a fifth of the program.
func (p page) html() string {
	mark, sign := "failed", "!"
	if p.Done {
		mark, sign = "done", "✓"
	}
	endpoint := ""
	if p.Endpoint != "" {
		endpoint = "Sign-in for " + p.Endpoint
	}
	return strings.NewReplacer(
		"{{mark}}", mark,
		"{{sign}}", sign,
		"{{title}}", html.EscapeString(p.Title),
		"{{text}}", html.EscapeString(p.Text),
		"{{next}}", html.EscapeString(p.Next),
		"{{endpoint}}", html.EscapeString(endpoint),
	).Replace(resultHTML)
}
