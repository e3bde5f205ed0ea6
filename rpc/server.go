package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Options describe the process that serves a conversation.
type Options struct {
	Version string
	Places  store.Places
	Log     *logging.Log
}

// Serve answers requests until the input ends or the context is done. It returns when all
// requests that came before that are answered: a running sign-in is cancelled, and a running
// refresh is finished, because a refresh token can be used only once.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) {
	s := &server{Options: o, running: map[jsonrpc2.ID]context.CancelFunc{},
		known: secret.Known{Disguised: true}, asking: map[string]chan struct{}{}, itemDue: make(chan struct{}, 1), sent: map[string]sentToken{}, endpoints: map[string]knownEndpoint{}}
	s.life, s.end = context.WithCancel(context.Background())
	defer s.end()
	if directory, err := os.Getwd(); err == nil {
		s.directory = directory
	}
	s.stream = lines.New(in, out, s.finish)
	conn := jsonrpc2.NewConn(context.Background(), s.stream, s, jsonrpc2.SetLogger(connLog{o.Log}))
	select {
	case <-conn.DisconnectNotify():
	case <-ctx.Done():
		s.stopWaiting()
		s.finish()
	}
}

// stopWaiting closes the session: calls that only wait for another process return at once.
// That is safe, because they have not used a refresh token yet.
func (s *server) stopWaiting() {
	if sessions := s.lastOpened(); sessions != nil {
		sessions.Close()
	}
}

// server is one conversation.
type server struct {
	Options
	stream *lines.Stream
	calls  sync.WaitGroup
	life   context.Context // ends with the input; for sign-ins and background work
	end    context.CancelFunc

	mu        sync.Mutex
	directory string
	sessions  *scopes.Sessions
	files     *config.Watch                      // the configuration's files, as they were last read
	current   bool                               // sessions belong to the configuration that was last read
	lentUntil time.Time                          // the latest end of a lease; until then lookWhileLent checks the files, because the shim does not ask
	looking   bool                               // lookWhileLent is running
	running   map[jsonrpc2.ID]context.CancelFunc // the requests that are not answered yet
	ending    bool                               // set by finish; from then on only the calls that run begin others

	endpoints map[string]knownEndpoint // by provider; filled by endpointFor
	client    clientInfo
	unfit     *problem.Problem         // set if the shim has another version: the answer to all its requests
	offered   json.RawMessage          // the ways to sign in that the host was last sent; nil before it asked
	watching  bool                     // watchItem is running
	asking    map[string]chan struct{} // by provider: its models are being requested; closed when that is done

	sentMu sync.Mutex
	sent   map[string]sentToken // by provider

	itemDue chan struct{}   // of capacity 1: watchItem computes the item anew
	item    json.RawMessage // the item that the host was last sent; of watchItem alone

	known secret.Known // the secrets to redact from an agent's results
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
	"lacks":          with((*server).lacks),
	"ping":           with((*server).ping),
}

// with turns a function with typed parameters into a method.
func with[P any](f func(*server, context.Context, P) (any, error)) method {
	return func(s *server, ctx context.Context, raw json.RawMessage) (any, error) {
		var params P
		if len(raw) > 0 && string(raw) != "[]" { // some clients send [] if there are no parameters
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

// Handle is called by the connection for one request after the other, so it must not block.
func (s *server) Handle(_ context.Context, _ *jsonrpc2.Conn, request *jsonrpc2.Request) {
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
		// Not in the background: later requests depend on its directory.
		s.answerRequest(life, request, params)
		return
	case "getToken":
		if s.getTokenReady(request, params) {
			return
		}
	case "connect":
		life = s.life
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return // the shim asks another process when this one has ended
	}
	ctx, cancel := context.WithCancel(life)
	if !request.Notif {
		s.running[request.ID] = cancel
	}
	s.calls.Go(func() {
		defer cancel()
		s.answerRequest(ctx, request, params)
	})
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

// wireError returns the JSON-RPC error for an error of a method.
func (s *server) wireError(method string, err error) *jsonrpc2.Error {
	var own *jsonrpc2.Error
	if errors.As(err, &own) {
		return own
	}
	p := problem.From(err)
	s.Log.Info(opencode.Answered, "method", method, "problem", p)
	e := &jsonrpc2.Error{Code: problemCode, Message: p.Message}
	data := opencode.NewProblemInfo(p)
	data.Message = ""
	e.SetError(data)
	return e
}

// cancel cancels the request that a $/cancelRequest names. That request is still answered,
// with a problem of the kind cancelled.
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

// finish cancels sign-ins, and waits until every other request is answered. No later one begins.
func (s *server) finish() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.end()
	s.calls.Wait()
	s.stopWaiting()
}

// open reads the configuration and returns its sessions, new ones if the configuration has
// changed. It notifies the host if the ways to sign in change by that.
func (s *server) open() (*scopes.Sessions, error) {
	sessions, err := s.load()
	s.offerMethods(sessions, err)
	return sessions, err
}

// openFor returns the session of a provider.
func (s *server) openFor(provider string) (*oidc.Session, error) {
	sessions, err := s.open()
	if err != nil {
		return nil, err
	}
	return sessions.For(provider), nil
}

func (s *server) load() (*scopes.Sessions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = false
	s.files = config.NewWatch(s.Places, s.directory)
	cfg, err := config.Load(s.Places, s.directory)
	if config.AsUnconfirmed(err) != nil && s.sessions != nil {
		s.calls.Go(s.sessions.Close) // no token is lent for it either
		s.sessions = nil
	}
	if err != nil {
		return nil, err
	}
	if s.sessions != nil && s.sessions.Config().Equal(cfg) {
		s.current = true
		return s.sessions, nil
	}
	s.Log.Configure(cfg.LogLevel, cfg.LogFile, cfg.LogBound)
	s.Log.Info("configuration read", "path", cfg.Path, "domain", cfg.DomainURL, "endpoint", cfg.BaseURL, "authMethod", cfg.AuthMethod)
	sessions, err := scopes.Open(cfg, s.Places, s.Log.Logger)
	if err != nil {
		return nil, err
	}
	for _, session := range sessions.All() {
		session.OnChange(func(status oidc.Status) { s.sessionChanged(session, status) })
	}
	if before := s.sessions; before != nil {
		s.calls.Go(func() {
			for _, session := range sessions.All() {
				s.sessionChanged(session, session.Status()) // the leases belong to the sessions before
			}
			before.Close()
		})
	} else {
		s.tellItem()
	}
	s.sessions, s.current = sessions, true
	return sessions, nil
}

// lookEvery is how often lookWhileLent checks the configuration's files.
const lookEvery = 3 * time.Second

// lookWhileLent checks until the end of the lease whether the configuration has changed,
// and if so, makes the shim give the token back.
func (s *server) lookWhileLent(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lentUntil = slices.MaxFunc([]time.Time{s.lentUntil, until}, time.Time.Compare)
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
						s.sessionChanged(nil, oidc.Status{Problem: problem.From(err)})
					}
				}
				if !looking {
					return
				}
			}
		}
	})
}

// opened returns the sessions that were last opened, or opens them. It does not read the
// configuration again.
func (s *server) opened() (*scopes.Sessions, error) {
	if sessions := s.lastOpened(); sessions != nil {
		return sessions, nil
	}
	return s.open()
}

// lastOpened returns the sessions that were last opened, or nil.
func (s *server) lastOpened() *scopes.Sessions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// sessionChanged makes the shim give all leases back: it asks for new ones at once. session
// is nil if none can be used.
func (s *server) sessionChanged(session *oidc.Session, status oidc.Status) {
	if session != nil && status.SignedIn {
		for _, e := range session.Config().Endpoints() {
			s.knownModels(session, e) // refreshes the list, which was impossible without a token
		}
	}
	s.notify("session/changed", sessionChanged{status.SignedIn, opencode.UTC(status.ExpiresAt)})
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

// connLog writes the connection's messages to the log; by default they would go to stderr.
type connLog struct{ log *logging.Log }

func (l connLog) Printf(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...))
}
