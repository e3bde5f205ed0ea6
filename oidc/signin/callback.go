package signin

import (
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
	// lastPageTime is how long a listener stays for the browser to fetch the
	// page that says how the sign-in ended.
	lastPageTime = 3 * time.Second
	// callbackTimeout bounds one request of a browser.
	callbackTimeout = domain.ExchangeTimeout + 5*time.Second
	// maxCallers is how many connections there may be at once; one more closes
	// the oldest, so that a flood keeps nobody out.
	maxCallers = 64
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
	owed   atomic.Int32  // last pages that browsers wait for
	shown  chan struct{} // closed when the last of them was served
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
		// A page elsewhere whose name was pointed at this machine (DNS
		// rebinding) sends its own name.
		case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(c.redirect.Host, ":80")):
			write(w, http.StatusMisdirectedRequest, pages.Nothing.HTML("")) // nor is it told of whom
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			c.page(w, http.StatusMethodNotAllowed, pages.Nothing)
		case !visited(r.Header):
			c.page(w, http.StatusForbidden, pages.Nothing)
		case r.URL.EscapedPath() == c.startPath && !c.over():
			http.Redirect(w, r, request.URL(), http.StatusFound)
		case r.URL.EscapedPath() == c.startPath:
			c.showResult(w)
		case r.URL.EscapedPath() == c.resultPath:
			c.showResult(w)
		case r.URL.EscapedPath() == c.redirect.EscapedPath():
			c.receive(w, r, request)
		default:
			c.page(w, http.StatusNotFound, pages.Nothing)
		}
	})
}

// visited reports whether a person's browser goes to the address, as far as the
// request tells: neither a part of another page (Fetch Metadata) nor a page that
// is loaded ahead, whose code would be used up unseen.
func visited(h http.Header) bool {
	dest := h.Get("Sec-Fetch-Dest")
	ahead := strings.Contains(h.Get("Sec-Purpose")+h.Get("Purpose"), "pre")
	return (dest == "" || dest == "document") && !ahead
}

// callers are the connections to a listener, the oldest first.
type callers struct {
	mu   sync.Mutex
	open []net.Conn
}

// note is the ConnState of a server.
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

// receive takes the authorization response. One that does not carry this
// attempt's state changes nothing.
func (c *callback) receive(w http.ResponseWriter, r *http.Request, request *domain.CodeRequest) {
	code, err := request.Parse(r.URL.Query())
	if errors.Is(err, domain.ErrForeignState) {
		c.page(w, http.StatusBadRequest, pages.OtherSignIn)
		return
	}
	c.owed.Add(1)
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

// over reports whether the sign-in has ended.
func (c *callback) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *callback) showResult(w http.ResponseWriter) {
	if !c.over() {
		c.page(w, http.StatusNotFound, pages.Nothing)
		return
	}
	c.page(w, http.StatusOK, resultPage(c.result))
	if c.owed.Add(-1) <= 0 {
		c.once.shown.Do(func() { close(c.shown) })
	}
}

// resultPage says how the sign-in ended.
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

// finish tells the waiting browser how the sign-in ended.
func (c *callback) finish(result error) {
	c.once.finish.Do(func() {
		c.result = result
		close(c.ended)
	})
}

// close ends the listener: at once if no browser is waiting, else when each has
// fetched the last page.
func (c *callback) close() {
	defer c.closeListeners()
	if c.server == nil {
		return
	}
	waiting := true
	c.claim.Do(func() { waiting = false })
	c.finish(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	// A person who came a moment too late is told so, too.
	if waiting || problem.Is(c.result, problem.LoginTimeout) {
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

func (c *callback) page(w http.ResponseWriter, status int, page pages.Page) {
	write(w, status, page.HTML(c.endpoint))
}

func write(w http.ResponseWriter, status int, document string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, document)
}
