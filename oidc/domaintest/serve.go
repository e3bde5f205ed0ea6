package domaintest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
)

// The most that a request may bring, in bytes.
const (
	formLimit = 1 << 20
	chatLimit = 16 << 20
)

// serve returns the handler of one operation: it dates and numbers the answer,
// writes the request into the journal, and lets a fault have its way.
func (s *Server) serve(op Operation, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.running.Done()

		answer := &answer{ResponseWriter: w}
		request := s.receive(op, answer, r)
		if request == nil {
			return
		}
		s.journal.open(request)
		defer func() { s.journal.close(request, answer.status) }()
		if tamper := s.current().Tamper; tamper != nil {
			tamper(op, answer, r, next)
			return
		}
		meet(s.faults.next(op), answer, r, next)
	})
}

// receive reads the whole request, so that the handler finds its form parsed and
// its body readable, and heads the answer. It answers for itself and returns nil
// if the request is too large or no form.
func (s *Server) receive(op Operation, w http.ResponseWriter, r *http.Request) *Request {
	now, ecid := s.Clock.Now(), randomHex(8)+"0000000"
	header := w.Header()
	header.Set("Date", now.UTC().Format(http.TimeFormat))
	header.Set("X-ORACLE-DMS-ECID", ecid)
	header.Set("Cache-Control", "no-cache, no-store, must-revalidate")

	limit := int64(formLimit)
	if op == Chat {
		limit = chatLimit
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		refuse(http.StatusRequestEntityTooLarge, "invalid_request", "The request is too large.").write(w)
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "The request is not well-formed.").write(w)
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return &Request{Operation: op, Time: now, Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(),
		Form: r.Form, Body: string(body[:min(len(body), formLimit)]), ECID: ecid}
}

// An answer remembers the status that goes out.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(text []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(text)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// getOnly refuses what is no GET.
func getOnly(next http.HandlerFunc) http.HandlerFunc { return methodOnly(http.MethodGet, next) }

// formOnly refuses what is no form post without a repeated parameter
// (RFC 6749, section 3.2).
func formOnly(next http.HandlerFunc) http.HandlerFunc {
	return methodOnly(http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" {
			refuse(http.StatusUnsupportedMediaType, "invalid_request", "The body must be a form.").write(w)
			return
		}
		if name := repeated(r.PostForm); name != "" {
			refuse(http.StatusBadRequest, "invalid_request", "The parameter "+name+" is repeated.").write(w)
			return
		}
		next(w, r)
	})
}

func methodOnly(method string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			refuse(http.StatusMethodNotAllowed, "invalid_request", "The method must be "+method+".").write(w)
			return
		}
		next(w, r)
	}
}

// repeated returns the name of a parameter that has more than one value, or "".
// The one that may is resource (RFC 8707, section 2).
func repeated(form map[string][]string) string {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return name
		}
	}
	return ""
}

// A refusal is an error as the domain tells it (RFC 6749, section 5.2).
type refusal struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// refuse returns a refusal.
func refuse(status int, code, description string) *refusal {
	return &refusal{status, code, description}
}

// badRequest returns a refusal with status 400, as most of them are.
func badRequest(code, description string) *refusal {
	return refuse(http.StatusBadRequest, code, description)
}

func (r *refusal) Error() string { return r.Code + ": " + r.Description }

func (r *refusal) write(w http.ResponseWriter) {
	if r.Code == "invalid_client" {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth2"`)
	}
	writeJSON(w, r.status, r)
}

// writeJSON answers with value.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only when the client is gone
}

// bearer returns the token of the Authorization header (RFC 6750, section 2.1).
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
