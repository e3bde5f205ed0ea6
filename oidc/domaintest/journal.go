package domaintest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// An Operation is one thing that the domain or the endpoint can be asked for.
// Requests are counted, kept and made to fail by operation.
type Operation string

// The operations. Models, ModelInfo and Chat are the endpoint's, the rest are the domain's.
const (
	Discovery  Operation = "discovery"  // both well-known documents
	Keys       Operation = "keys"       // the signing keys
	Authorize  Operation = "authorize"  // the authorization request, which shows the sign-in page
	SignIn     Operation = "signin"     // what the sign-in page sends
	Token      Operation = "token"      // every grant
	Device     Operation = "device"     // the device authorization request
	DevicePage Operation = "devicepage" // what a person visits to enter a user code
	Revoke     Operation = "revoke"
	Models     Operation = "models"
	ModelInfo  Operation = "modelinfo" // LiteLLM's
	Chat       Operation = "chat"
)

var operations = []Operation{Discovery, Keys, Authorize, SignIn, Token, Device, DevicePage,
	Revoke, Models, ModelInfo, Chat}

// UnmarshalText refuses what is no operation.
func (o *Operation) UnmarshalText(text []byte) error {
	return oneOf(o, Operation(text), operations...)
}

// A Request is one request as it came in.
type Request struct {
	Operation Operation   `json:"operation"`
	Time      time.Time   `json:"time"` // by the server's clock
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	Header    http.Header `json:"header"`
	Form      url.Values  `json:"form"`   // of the query and of a form body
	Body      string      `json:"body"`   // its first MiB
	ECID      string      `json:"ecid"`   // the X-ORACLE-DMS-ECID of the answer
	Status    int         `json:"status"` // of the answer; 0 while, or if, there is none
}

// keptRequests is how many requests of each operation the journal keeps.
const keptRequests = 1000

// journal counts the requests and keeps the latest ones.
type journal struct {
	mu     sync.Mutex
	counts map[Operation]int
	kept   map[Operation][]*Request
	came   chan struct{} // closed at the next request; nil while nobody waits
}

// open notes that a request came in.
func (j *journal) open(request *Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counts == nil {
		j.counts, j.kept = map[Operation]int{}, map[Operation][]*Request{}
	}
	op := request.Operation
	j.counts[op]++
	j.kept[op] = append(j.kept[op], request)
	if extra := len(j.kept[op]) - keptRequests; extra > 0 {
		j.kept[op] = slices.Delete(j.kept[op], 0, extra)
	}
	if j.came != nil {
		close(j.came)
		j.came = nil
	}
}

// close notes the status of the request's answer.
func (j *journal) close(request *Request, status int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	request.Status = status
}

// Count returns how many requests came in for the operation, failed ones included.
func (s *Server) Count(op Operation) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.counts[op]
}

// Requests returns the latest requests for the operation, oldest first, at most
// 1000. A request appears as soon as it has come in.
func (s *Server) Requests(op Operation) []Request {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	kept := make([]Request, len(s.journal.kept[op]))
	for i, request := range s.journal.kept[op] {
		kept[i] = *request
	}
	return kept
}

// WaitFor returns when n requests have come in for the operation, or with the
// context's error.
func (s *Server) WaitFor(ctx context.Context, op Operation, n int) error {
	for {
		count, came := s.journal.watch(op)
		if count >= n {
			return nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watch returns the count of op and a channel that is closed at the next request.
func (j *journal) watch(op Operation) (int, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.came == nil {
		j.came = make(chan struct{})
	}
	return j.counts[op], j.came
}
