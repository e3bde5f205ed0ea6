package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Options are what a conversation needs to know of its process.
type Options struct {
	Version string
	Places  store.Places
	Log     *logging.Log
}

// Serve answers the requests that come in until the input ends or the context is
// done, and returns when all of them are answered. A sign-in that is going on then
// is cancelled; a refresh that was begun is finished, because its token works only
// once.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) {
	s := &server{Options: o, begun: make(chan struct{}), running: map[jsonrpc2.ID]context.CancelFunc{},
		known: secret.Known{Disguised: true}, asking: map[string]chan struct{}{}, sent: map[string]sentToken{}}
	s.life, s.end = context.WithCancel(context.Background())
	defer s.end()
	if directory, err := os.Getwd(); err == nil {
		s.directory = directory
	}
	s.stream = lines.New(in, out, s.finish)
	conn := jsonrpc2.NewConn(context.Background(), s.stream, s, jsonrpc2.SetLogger(connLog{o.Log}))
	select {
	case <-conn.DisconnectNotify():
		return
	case <-s.begun: // asking ctx for its end may cost time, and the first answer is waited for
	}
	select {
	case <-conn.DisconnectNotify():
	case <-ctx.Done():
		s.stopWaiting()
		s.finish()
	}
}

// stopWaiting ends what only waits for another process: a signal ends that at once, and
// uses nothing up.
func (s *server) stopWaiting() {
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		session.Close()
	}
}

// server is one conversation.
type server struct {
	Options
	stream *lines.Stream
	busy   bool          // of the goroutine that reads: a request has come
	begun  chan struct{} // closed when the first one has been answered or taken up
	calls  sync.WaitGroup
	life   context.Context // of what needs a person: it ends with the input
	end    context.CancelFunc

	mu        sync.Mutex
	directory string
	session   *oidc.Session
	files     *config.Watch // of the configuration, as it was read last
	current   bool          // the session is that of the configuration read last
	lentUntil time.Time     // the files are looked at until then, since a borrower does not ask
	looking   bool
	running   map[jsonrpc2.ID]context.CancelFunc // of the requests that are not answered yet
	ending    bool

	endpoints       map[string]*opencode.EndpointInfo // of endpointSession, by provider, as far as they are known
	endpointSession *oidc.Session
	client          clientInfo
	unfit           *problem.Problem         // why this shim is answered nothing else
	offered         json.RawMessage          // the ways to sign in that the host was told; nil before it asked
	watching        bool                     // the host is told the item
	item            json.RawMessage          // that it was told last
	asking          map[string]chan struct{} // by provider; closed when its endpoint has told its models

	sentMu sync.Mutex
	sent   map[string]sentToken // the last one of each provider

	known secret.Known // to be kept from agents
}

// A method answers one kind of request.
type method func(s *server, ctx context.Context, params json.RawMessage) (result any, err error)

var methods = map[string]method{
	"initialize":     with((*server).initialize),
	"getToken":       with((*server).getToken),
	"refresh":        with((*server).refresh),
	"status":         with((*server).status),
	"connect":        with((*server).connect),
	"connect/answer": with((*server).answer),
	"disconnect":     with((*server).disconnect),
	"guard":          with((*server).guard),
	"redact":         with((*server).redact),
	"configure":      with((*server).configure),
	"explain":        with((*server).explain),
	"tool":           with((*server).tool),
	"command":        with((*server).command),
	"ping":           with((*server).ping),
}

// with makes a method of a function with typed parameters.
func with[P any](f func(*server, context.Context, P) (any, error)) method {
	return func(s *server, ctx context.Context, raw json.RawMessage) (any, error) {
		var params P
		if len(raw) > 0 && string(raw) != "[]" { // some clients send it for no parameters
			if err := json.Unmarshal(raw, &params); err != nil {
				return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: "wrong params: " + paramsFault(err)}
			}
		}
		return f(s, ctx, params)
	}
}

func paramsFault(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return "they must be an object"
		}
		return fmt.Sprintf("%s must not be a %s", wrong.Field, wrong.Value)
	}
	return "they cannot be read"
}

// Handle is called by the connection for one request after the other, and must
// not wait.
func (s *server) Handle(_ context.Context, _ *jsonrpc2.Conn, request *jsonrpc2.Request) {
	s.handle(request)
	if !s.busy {
		s.busy = true
		close(s.begun)
	}
}

func (s *server) handle(request *jsonrpc2.Request) {
	var params json.RawMessage
	if request.Params != nil {
		params = *request.Params
	}
	if s.Log.Enabled(context.Background(), logging.LevelVerbose) { // asked first: this is the hot path
		s.Log.Log(context.Background(), logging.LevelVerbose, "request", "method", request.Method, "id", request.ID)
	}
	if request.Method == "$/cancelRequest" {
		s.cancel(params)
		if !request.Notif {
			s.stream.Reply(request.ID, json.RawMessage("null"))
		}
		return
	}
	life := context.Background()
	switch request.Method {
	case "initialize":
		// At once: what comes after it is about its directory, and its configuration.
		s.answerRequest(life, request, params)
		return
	case "getToken":
		if s.getTokenReady(request, params) {
			return
		}
	case "connect":
		life = s.life
	}
	ctx, cancel := context.WithCancel(life)
	s.mu.Lock()
	if s.ending {
		cancel()
	}
	if !request.Notif {
		s.running[request.ID] = cancel
	}
	s.calls.Go(func() {
		defer cancel()
		s.answerRequest(ctx, request, params)
	})
	s.mu.Unlock()
}

// answerRequest calls the method and writes its response.
func (s *server) answerRequest(ctx context.Context, request *jsonrpc2.Request, params json.RawMessage) {
	result, err := s.call(ctx, request.Method, params)
	if request.Notif {
		return
	}
	s.mu.Lock()
	delete(s.running, request.ID)
	s.mu.Unlock()
	var encoded json.RawMessage
	if err == nil {
		encoded, err = json.Marshal(result)
	}
	if err != nil {
		s.stream.ReplyError(request.ID, s.wireError(request.Method, err))
		return
	}
	s.stream.Reply(request.ID, encoded)
}

func (s *server) call(ctx context.Context, name string, params json.RawMessage) (result any, err error) {
	method, known := methods[name]
	if !known {
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeMethodNotFound, Message: "there is no such method"}
	}
	s.mu.Lock()
	unfit := s.unfit
	s.mu.Unlock()
	if unfit != nil && name != "initialize" {
		return nil, unfit
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.Log.Error("panic in a method", "method", name, "fault", fault, "stack", string(debug.Stack()))
			result, err = nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInternalError, Message: "something went wrong inside; the log has the details"}
		}
	}()
	return method(s, ctx, params)
}

// wireError is an error as the wire has it.
func (s *server) wireError(method string, err error) *jsonrpc2.Error {
	var own *jsonrpc2.Error
	if errors.As(err, &own) {
		return own
	}
	p := problem.From(err)
	s.Log.Info(answered, "method", method, "problem", p)
	e := &jsonrpc2.Error{Code: problemCode, Message: p.Message}
	e.SetError(errorData{string(p.Kind), p.Hint, p.Retryable, opencode.Brief(p.Kind)})
	return e
}

// cancel ends the request that a $/cancelRequest names; it is answered as
// cancelled.
func (s *server) cancel(params json.RawMessage) {
	var p cancelParams
	if json.Unmarshal(params, &p) != nil {
		return
	}
	id, ok := lines.ParseID(p.ID)
	if !ok {
		return
	}
	s.mu.Lock()
	cancel := s.running[id]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// finish is called when the input has ended: nobody will finish a sign-in now,
// but every other request is answered.
func (s *server) finish() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.end()
	s.calls.Wait()
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		session.Close()
	}
}

// open returns the session of the configuration as it is on the disk now: a new
// one if it has changed. The host is told what that changes for the person.
func (s *server) open() (*oidc.Session, error) {
	session, err := s.load()
	s.offerMethods(session, err)
	return session, err
}

func (s *server) load() (*oidc.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = false
	s.files = config.NewWatch(s.Places, s.directory)
	cfg, err := config.Load(s.Places, s.directory)
	if config.AsUnconfirmed(err) != nil && s.session != nil {
		s.calls.Go(s.session.Close) // no token is lent for it either
		s.session = nil
	}
	if err != nil {
		return nil, err
	}
	if s.session != nil && s.session.Config().Equal(cfg) {
		s.current = true
		return s.session, nil
	}
	s.Log.Configure(cfg.LogLevel, cfg.LogFile, cfg.LogBound)
	s.Log.Info("configuration read", "path", cfg.Path, "domain", cfg.DomainURL, "endpoint", cfg.BaseURL, "authMethod", cfg.AuthMethod)
	session, err := oidc.NewSession(cfg, s.Places, s.Log.Logger)
	if err != nil {
		return nil, err
	}
	session.OnChange(s.sessionChanged)
	if before := s.session; before != nil {
		s.calls.Go(func() {
			s.sessionChanged(session.Status()) // what was lent is of another session
			before.Close()
		})
	} else {
		s.calls.Go(s.tellItem)
	}
	s.session, s.current = session, true
	return session, nil
}

// lookEvery is how often the configuration's files are looked at while a token is lent.
const lookEvery = 3 * time.Second

// lookWhileLent voids what was lent as soon as the configuration is another one.
func (s *server) lookWhileLent(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lentUntil = until
	if s.looking || s.ending || until.IsZero() {
		return
	}
	s.looking = true
	s.calls.Go(func() {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			select {
			case <-s.life.Done():
				return
			case now := <-ticker.C:
				s.mu.Lock()
				changed := s.files.Changed()
				s.looking = !changed && now.Before(s.lentUntil)
				looking := s.looking
				s.mu.Unlock()
				if changed {
					if _, err := s.open(); err != nil {
						s.sessionChanged(oidc.Status{Problem: problem.From(err)})
					}
				}
				if !looking {
					return
				}
			}
		}
	})
}

// opened returns the session as it was opened last, and opens it if need be.
func (s *server) opened() (*oidc.Session, error) {
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		return session, nil
	}
	return s.open()
}

func (s *server) sessionChanged(status oidc.Status) {
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if status.SignedIn && session != nil {
		for _, e := range session.Config().Endpoints() {
			s.knownModels(session, e) // at the start there may have been no valid token to ask with
		}
	}
	s.notify("session/changed", sessionChanged{status.SignedIn, utc(status.ExpiresAt)})
	s.tellItem()
}

func (s *server) notify(method string, params any) {
	request := jsonrpc2.Request{Method: method, Notif: true}
	err := request.SetParams(params)
	if err == nil {
		err = s.stream.WriteObject(request)
	}
	if err != nil {
		s.Log.Debug("a notification could not be sent", "method", method, "err", err)
	}
}

func platform() string { return runtime.GOOS + "-" + runtime.GOARCH }

// connLog takes what the connection has to say, which would go to stderr.
type connLog struct{ log *logging.Log }

func (l connLog) Printf(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...))
}
