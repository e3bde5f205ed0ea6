package domaintest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

// A Command is what the control handler can be told. Everything in it is done, in
// the order of its fields. Times are in seconds.
type Command struct {
	Advance             float64         `json:"advance"` // moves the clock, back if negative
	Set                 json.RawMessage `json:"set"`     // some fields of [Options] by their JSON names, and token_latency
	Faults              []FaultOrder    `json:"faults"`
	RevokeAccessTokens  bool            `json:"revoke_access_tokens"`
	RevokeRefreshTokens bool            `json:"revoke_refresh_tokens"`
	EndSessions         bool            `json:"end_sessions"`
}

// A FaultOrder is a kind of [Fault] for all requests for Operation.
type FaultOrder struct {
	Operation Operation `json:"operation"`
	Kind      FaultKind `json:"kind"`
}

// status is what the control handler answers.
type status struct {
	Now     time.Time         `json:"now"` // by the server's clock
	Counts  map[Operation]int `json:"counts"`
	Options *Options          `json:"options"`
	Problem string            `json:"problem,omitempty"`
}

// Control returns a handler that drives the server from outside the process:
//
//	POST /control               a Command in JSON; the answer is the state after it
//	GET  /control               the state: the time, the counters, the options
//	GET  /requests?operation=…  the latest requests for an operation
//
// It must be served on a loopback address only.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.status(nil))
	})
	mux.HandleFunc("POST /control", s.command)
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, s.Requests(Operation(r.URL.Query().Get("operation"))))
	})
	return mux
}

// command carries out one command. Only JSON is read: a page in a browser cannot
// send it from elsewhere without being asked first.
func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(http.StatusUnsupportedMediaType, "invalid_request", "The body must be JSON.").write(w)
		return
	}
	var command Command
	err := decodeStrictly(http.MaxBytesReader(w, r.Body, formLimit), &command)
	if err == nil {
		err = s.Do(command)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, s.status(err))
		return
	}
	writeJSON(w, http.StatusOK, s.status(nil))
}

// Do carries out a command as the control handler does. An error of its settings
// comes before anything is done.
func (s *Server) Do(command Command) error {
	if err := s.set(command.Set); err != nil {
		return err
	}
	s.Clock.Advance(fromSeconds(command.Advance))
	for _, order := range command.Faults {
		s.FailAlways(order.Operation, Fault{Kind: order.Kind})
	}
	if command.RevokeAccessTokens {
		s.RevokeAccessTokens()
	}
	if command.RevokeRefreshTokens {
		s.RevokeRefreshTokens()
	}
	if command.EndSessions {
		s.EndSessions()
	}
	return nil
}

// set changes the options that settings names.
func (s *Server) set(settings json.RawMessage) (err error) {
	if len(settings) == 0 {
		return nil
	}
	s.Change(func(o *Options) {
		changed := o.withDefaults()
		fields := struct {
			*Options
			TokenLatency float64 `json:"token_latency"`
		}{&changed, changed.TokenLatency.Seconds()}
		if err = decodeStrictly(bytes.NewReader(settings), &fields); err == nil {
			changed.TokenLatency = fromSeconds(fields.TokenLatency)
			*o = changed
		}
	})
	return err
}

// status returns the state, and err as its problem.
func (s *Server) status(err error) status {
	now := status{Now: s.Clock.Now(), Counts: map[Operation]int{}, Options: s.current()}
	for _, op := range operations {
		now.Counts[op] = s.Count(op)
	}
	if err != nil {
		now.Problem = err.Error()
	}
	return now
}

// decodeStrictly reads one JSON value that has no unknown fields.
func decodeStrictly(from io.Reader, value any) error {
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	return decoder.Decode(value)
}

func fromSeconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
