package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin/pages"
)

const (
	// lastPageTime is how long the listener stays open after the sign-in, so that the
	// browser can fetch the result page.
	lastPageTime = 3 * time.Second
	// callbackTimeout bounds one request. It is longer than redeeming the code takes,
	// because the browser's request waits for that.
	callbackTimeout = domain.ExchangeTimeout + 5*time.Second
	// maxCallers is the number of open connections. A further one closes the oldest, so
	// that a local program cannot block the listener with idle connections.
	maxCallers = 64
)

// A callback is the loopback listener of one sign-in (RFC 8252, 7.3). It serves three
// addresses: the short start URL, which redirects to the domain's sign-in page; the
// registered redirect URI; and the result page. The redirect URI redirects to the result
// page, so that the code does not stay in the browser's address bar and history.
type callback struct {
	startURL string
	arrived  chan arrival // receives the one authorization response

	redirect   *url.URL
	endpoint   string // shown on the pages: what the sign-in is for
	startPath  string
	resultPath string
	listeners  []net.Listener
	server     *http.Server

	claim   sync.Once     // done by the first authorization response; later ones are ignored
	ended   chan struct{} // closed by finish
	result  error         // why the sign-in failed, or nil; set before ended is closed
	waiting atomic.Int32  // browsers that have yet to fetch the result page
	shown   chan struct{} // closed when the last of them has fetched it
	once    struct{ finish, shown sync.Once }
}

// An arrival is an authorization response that carries this attempt's state.
type arrival struct {
	code string
	err  error
}

// listenForCallback listens at the registered redirect URI: on both 127.0.0.1 and ::1 for
// localhost, otherwise only on the literal address. Call serve to answer requests. endpoint
// is shown on the pages. Its error is a problem of kind PortInUse or Config.
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
	port := cmp.Or(redirect.Port(), "80")
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

// isAny reports whether err is one of the errnos.
func isAny(err error, errnos []syscall.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}

// serve begins to answer requests, in the background. The responses that it accepts must
// belong to the authorization request.
func (c *callback) serve(request *domain.CodeRequest) {
	c.server = &http.Server{
		Handler:           c.handler(request),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      callbackTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState:         (&callers{}).note,
	}
	for _, listener := range c.listeners {
		go c.server.Serve(listener) //nolint:errcheck // ends with close
	}
}

func (c *callback) handler(request *domain.CodeRequest) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		switch {
		// DNS rebinding: a web page whose host name was made to resolve to this machine
		// sends that name as Host.
		case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(c.redirect.Host, ":80")):
			write(w, http.StatusMisdirectedRequest, pages.Nothing.HTML("")) // without the endpoint, which is none of that page's business
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			c.page(w, http.StatusMethodNotAllowed, pages.Nothing)
		case !visited(r.Header):
			c.page(w, http.StatusForbidden, pages.Nothing)
		case r.URL.EscapedPath() == c.startPath && !c.over():
			http.Redirect(w, r, request.URL(), http.StatusFound)
		case r.URL.EscapedPath() == c.startPath, r.URL.EscapedPath() == c.resultPath:
			c.showResult(w)
		case r.URL.EscapedPath() == c.redirect.EscapedPath():
			c.receive(w, r, request)
		default:
			c.page(w, http.StatusNotFound, pages.Nothing)
		}
	})
}

// visited reports whether a person navigated to the address. It is false if another page
// embeds or fetches it (Fetch Metadata), and if the browser prefetches it, which would use
// up the code without showing the result.
func visited(h http.Header) bool {
	dest := h.Get("Sec-Fetch-Dest")
	ahead := strings.Contains(h.Get("Sec-Purpose")+h.Get("Purpose"), "pre")
	return (dest == "" || dest == "document") && !ahead
}

// callers are the open connections, the oldest first.
type callers struct {
	mu   sync.Mutex
	open []net.Conn
}

// note is the ConnState hook of the http.Server. It closes the oldest connection if there
// are more than maxCallers.
func (c *callers) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open = append(c.open, conn)
		if len(c.open) > maxCallers {
			_ = c.open[0].Close()
			c.open = c.open[1:]
		}
	case http.StateClosed:
		c.open = slices.DeleteFunc(c.open, func(one net.Conn) bool { return one == conn })
	}
}

// receive handles a request to the redirect URI. A response without this attempt's state
// changes nothing. The browser waits until the sign-in has ended, and is then redirected to
// the result page.
func (c *callback) receive(w http.ResponseWriter, r *http.Request, request *domain.CodeRequest) {
	code, err := request.Parse(r.URL.Query())
	if errors.Is(err, domain.ErrForeignState) {
		c.page(w, http.StatusBadRequest, pages.OtherSignIn)
		return
	}
	c.waiting.Add(1)
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

// over reports whether finish was called.
func (c *callback) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// showResult serves the result page.
func (c *callback) showResult(w http.ResponseWriter) {
	if !c.over() {
		c.page(w, http.StatusNotFound, pages.Nothing)
		return
	}
	c.page(w, http.StatusOK, resultPage(c.result))
	if c.waiting.Add(-1) <= 0 {
		c.once.shown.Do(func() { close(c.shown) })
	}
}

// resultPage returns the page for the result of a sign-in.
func resultPage(result error) pages.Page {
	switch {
	case result == nil:
		return pages.SignedIn
	case problem.Is(result, problem.LoginTimeout):
		return pages.TimedOut
	}
	p := problem.From(result)
	return pages.Failed(p.Message, p.Hint)
}

// finish sets the result and releases the browsers that wait for it. Only the first call
// counts.
func (c *callback) finish(result error) {
	c.once.finish.Do(func() {
		c.result = result
		close(c.ended)
	})
}

// close stops the listener: at once if no browser is waiting, else when each has fetched the
// result page, but after lastPageTime at the latest.
func (c *callback) close() {
	defer c.closeListeners()
	if c.server == nil {
		return
	}
	received := true
	c.claim.Do(func() { received = false })
	c.finish(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	// After a timeout too, the page is served: the person may be a moment too late.
	if received || problem.Is(c.result, problem.LoginTimeout) {
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

// harden sets the security headers of every answer: the page loads nothing, cannot be framed
// or cached, and sends no Referer.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (c *callback) page(w http.ResponseWriter, status int, page pages.Page) {
	write(w, status, page.HTML(c.endpoint))
}

func write(w http.ResponseWriter, status int, document string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, document)
}
