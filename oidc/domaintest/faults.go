package domaintest

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A FaultKind is a way in which a request goes wrong.
type FaultKind string

// The kinds of faults. Unless its comment says otherwise, the request of a fault
// is not processed: the domain neither reads nor changes anything.
const (
	Throttle     FaultKind = "throttle"     // 429, an HTML page; Retry-After if the fault has one
	ServerError  FaultKind = "server_error" // 500, an HTML page
	Unavailable  FaultKind = "unavailable"  // 503, an HTML page; Retry-After if the fault has one
	Unauthorized FaultKind = "unauthorized" // 401, an HTML page, as a proxy sends it
	ProxyAuth    FaultKind = "proxy_auth"   // 407, an HTML page
	Portal       FaultKind = "portal"       // 200, the HTML page of a captive portal
	Stall        FaultKind = "stall"        // no answer until the client gives up
	Reset        FaultKind = "reset"        // the connection is reset before the request is processed
	ResetAfter   FaultKind = "reset_after"  // the request is processed, then the connection is reset: the answer is lost
	Truncate     FaultKind = "truncate"     // the request is processed; half of the answer's body arrives, as if it were the whole
	Huge         FaultKind = "huge"         // 200, a JSON text of 64 MiB
)

// UnmarshalText refuses what is no kind of fault.
func (k *FaultKind) UnmarshalText(text []byte) error {
	return oneOf(k, FaultKind(text), Throttle, ServerError, Unavailable, Unauthorized, ProxyAuth, Portal,
		Stall, Reset, ResetAfter, Truncate, Huge)
}

// A Fault is one thing going wrong.
type Fault struct {
	Kind       FaultKind
	RetryAfter time.Duration // Throttle and Unavailable: sent in whole seconds, not at all if 0
}

// faults are what the coming requests will meet.
type faults struct {
	mu     sync.Mutex
	queued map[Operation][]Fault
	always map[Operation]Fault
}

// next takes the fault of the next request from the queue, or else the permanent
// one. Its Kind is empty if all is well.
func (f *faults) next(op Operation) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if queue := f.queued[op]; len(queue) > 0 {
		f.queued[op] = queue[1:]
		return queue[0]
	}
	return f.always[op]
}

// Fail lets the next requests for the operation meet these faults, one each, after
// those already queued.
func (s *Server) Fail(op Operation, faults ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.queued == nil {
		s.faults.queued = map[Operation][]Fault{}
	}
	s.faults.queued[op] = append(s.faults.queued[op], faults...)
}

// FailAlways lets every request for the operation meet fault, once the queue of
// Fail is used up and until Heal.
func (s *Server) FailAlways(op Operation, fault Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.always == nil {
		s.faults.always = map[Operation]Fault{}
	}
	s.faults.always[op] = fault
}

// Heal takes away every fault of the operation, queued or permanent.
func (s *Server) Heal(op Operation) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	delete(s.faults.queued, op)
	delete(s.faults.always, op)
}

// meet answers the request as fault has it.
func meet(fault Fault, w *answer, r *http.Request, next http.HandlerFunc) {
	switch fault.Kind {
	case Throttle:
		writeFailure(w, http.StatusTooManyRequests, "Too Many Requests", fault.RetryAfter)
	case ServerError:
		writeFailure(w, http.StatusInternalServerError, "Internal Server Error", 0)
	case Unavailable:
		writeFailure(w, http.StatusServiceUnavailable, "Service Unavailable", fault.RetryAfter)
	case Unauthorized:
		writeFailure(w, http.StatusUnauthorized, "Authorization Required", 0)
	case ProxyAuth:
		w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
		writeFailure(w, http.StatusProxyAuthRequired, "Proxy Authentication Required", 0)
	case Portal:
		writeFailure(w, http.StatusOK, "Welcome to our network. Please accept the terms of use.", 0)
	case Stall:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Reset:
		reset(w)
	case ResetAfter:
		next(&lost{header: http.Header{}}, r)
		reset(w)
	case Truncate:
		writeHalf(w, r, next)
	case Huge:
		writeHuge(w)
	default:
		next(w, r)
	}
}

// writeFailure answers with an HTML page such as proxies and gateways send.
func writeFailure(w http.ResponseWriter, status int, text string, retryAfter time.Duration) {
	if retryAfter > 0 {
		seconds := int((retryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<html><head><title>" + text + "</title></head>\n<body><h1>" + text + "</h1></body></html>\n"))
}

// reset closes the connection with a TCP reset instead of an answer.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the connection is gone already
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // makes Close send RST
	}
	_ = conn.Close()
}

// A lost answer never leaves the server.
type lost struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (l *lost) Header() http.Header            { return l.header }
func (l *lost) WriteHeader(status int)         { l.status = status }
func (l *lost) Write(text []byte) (int, error) { return l.body.Write(text) }

// writeHalf processes the request and sends the first half of the answer's body.
func writeHalf(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	whole := &lost{header: w.Header(), status: http.StatusOK}
	next(whole, r)
	w.WriteHeader(whole.status)
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
}

// writeHuge sends a JSON text that no reader should want to the end.
func writeHuge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	padding := bytes.Repeat([]byte(" "), 1<<20)
	_, _ = w.Write([]byte(`{"padding":"`))
	for range 64 {
		if _, err := w.Write(padding); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`"}`))
}
