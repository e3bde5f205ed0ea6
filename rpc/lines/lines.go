// Package lines carries JSON-RPC 2.0 as one JSON object a line. It answers malformed lines
// itself, so that they do not end the conversation.
package lines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sourcegraph/jsonrpc2"
)

// MaxLine is the longest accepted line, in bytes. It is large because the arguments and the
// result of an OpenCode tool are sent in one line each. A longer line is answered with an
// error, under the request's id if it can be read.
const MaxLine = 64 << 20

// A Stream is a [jsonrpc2.ObjectStream] of one JSON object a line. It answers malformed
// requests itself, because [jsonrpc2.Conn] would close at the first one. It also writes the
// responses itself, because Conn would encode each of them three times.
type Stream struct {
	in      *bufio.Reader
	atEOF   func()
	request []byte // the buffer of decode

	mu       sync.Mutex
	out      io.Writer
	response []byte // the buffer of respond
}

// New returns a stream that reads in and writes out. It calls atEOF once, when the input has
// ended.
func New(in io.Reader, out io.Writer, atEOF func()) *Stream {
	return &Stream{in: bufio.NewReaderSize(in, 64<<10), out: out, atEOF: atEOF}
}

// ReadObject reads the next request into v. It answers malformed lines before it.
func (s *Stream) ReadObject(v any) error {
	for {
		line, err := s.readLine()
		if errors.Is(err, errLineTooLong) {
			s.refuse(idOf(line), jsonrpc2.CodeInvalidRequest, "The request is longer than 64 MiB, which is too long to be read.")
			continue
		}
		if len(line) > 0 {
			if s.accept(line, v) {
				return nil
			}
		}
		if err != nil {
			s.atEOF()
			return io.EOF
		}
	}
}

var errLineTooLong = errors.New("line too long")

// readLine returns the next line without surrounding white space. If the line is too long,
// it returns its beginning and errLineTooLong. At the end of the input it returns the rest
// together with the error.
func (s *Stream) readLine() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSpace(line), err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = s.in.ReadSlice('\n')
		if len(long) <= MaxLine {
			long = append(long, line...)
		}
	}
	if len(long) > MaxLine && err == nil {
		return long[:256], errLineTooLong
	}
	return bytes.TrimSpace(long), err
}

// idOf returns the id from the beginning of a request that is written as the shim writes
// it, or nil.
func idOf(line []byte) json.RawMessage {
	rest, begins := bytes.CutPrefix(line, []byte(`{"jsonrpc":"2.0","id":`))
	number, _, ends := bytes.Cut(rest, []byte(","))
	if !begins || !ends || !plainNumber(number) {
		return nil
	}
	return number
}

// An envelope holds the members of any JSON-RPC message.
type envelope struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  json.RawMessage `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// accept decodes a line into v and returns true. A malformed line (JSON-RPC 2.0, 4 and 5.1)
// is answered with an error.
func (s *Stream) accept(line []byte, v any) bool {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil || !utf8.Valid(line) || (e.Method != nil && !isText(e.Method)) {
		code, message := faultOf(line)
		s.refuse(nil, code, message)
		return false
	}
	id, idOK := ParseID(e.ID)
	if e.Method == nil && (e.Result != nil || e.Error != nil) {
		return false // a response, though we send no requests
	}
	switch {
	case !idOK:
		s.refuse(nil, jsonrpc2.CodeInvalidRequest, "id must be text or a number")
	case e.Version != "2.0":
		s.refuse(e.ID, jsonrpc2.CodeInvalidRequest, `jsonrpc must be "2.0"`)
	case e.Method == nil:
		s.refuse(e.ID, jsonrpc2.CodeInvalidRequest, "method is missing")
	case len(e.Params) > 0 && e.Params[0] != '{' && e.Params[0] != '[' && string(e.Params) != "null":
		s.refuse(e.ID, jsonrpc2.CodeInvalidRequest, "params must be an object")
	default:
		return s.decode(e, id, v)
	}
	return false
}

// plainNumber reports whether the text is a whole number below [largestID].
func plainNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0 && len(text) < 16 && (text[0] != '0' || len(text) == 1)
}

func isText(value json.RawMessage) bool { return value[0] == '"' }

// faultOf returns the error for a line that cannot be decoded as an envelope.
func faultOf(line []byte) (code int64, message string) {
	switch {
	case !utf8.Valid(line) || !json.Valid(line):
		return jsonrpc2.CodeParseError, "the line is not JSON"
	case line[0] == '[':
		return jsonrpc2.CodeInvalidRequest, "batches are not supported; send one object a line"
	default:
		return jsonrpc2.CodeInvalidRequest, "the line is not a JSON-RPC request"
	}
}

// decode passes a request to v, the connection's message type, in the only form that it
// takes: JSON. Members that say nothing are left out, since each costs time. The parts of e
// are valid JSON.
func (s *Stream) decode(e envelope, id jsonrpc2.ID, v any) bool {
	b := append(s.request[:0], `{"method":`...)
	b = append(b, e.Method...)
	switch {
	case e.ID == nil:
	case strings.HasPrefix(id.Str, rawID):
		text, _ := json.Marshal(id.Str)
		b = append(append(b, `,"id":`...), text...)
	default:
		b = append(append(b, `,"id":`...), e.ID...)
	}
	if params := string(e.Params); params != "" && params != "null" && params != "{}" {
		b = append(append(b, `,"params":`...), e.Params...)
	}
	b = append(b, '}')
	s.request = b
	if v, ok := v.(json.Unmarshaler); !ok || v.UnmarshalJSON(b) != nil {
		s.refuse(e.ID, jsonrpc2.CodeInvalidRequest, "the line is not a JSON-RPC request")
		return false
	}
	return true
}

// rawID marks the text of a [jsonrpc2.ID] that stands for an id which that type cannot
// represent, such as -1, 1.5 or null. After the mark comes the id's JSON.
const rawID = "\x00"

// largestID is the largest number that the connection decodes without loss.
const largestID = 1 << 53

// ParseID turns the JSON of an id into one that is sent back unchanged. A notification has
// none, for which it returns the zero ID. It returns false for a value that is not allowed
// as an id.
func ParseID(raw json.RawMessage) (id jsonrpc2.ID, ok bool) {
	if len(raw) == 0 {
		return id, true
	}
	switch c := raw[0]; {
	case c == '"':
		var text string
		if json.Unmarshal(raw, &text) == nil && !strings.HasPrefix(text, rawID) {
			return jsonrpc2.ID{Str: text, IsString: true}, true
		}
	case c == '{' || c == '[' || c == 't' || c == 'f':
		return id, false
	default:
		if number, err := strconv.ParseUint(string(raw), 10, 64); err == nil && number <= largestID {
			return jsonrpc2.ID{Num: number}, true
		}
	}
	return jsonrpc2.ID{Str: rawID + string(raw), IsString: true}, true
}

// appendID appends the JSON of an id.
func appendID(b []byte, id jsonrpc2.ID) []byte {
	if !id.IsString {
		return strconv.AppendUint(b, id.Num, 10)
	}
	if raw, ok := strings.CutPrefix(id.Str, rawID); ok {
		return append(b, raw...)
	}
	text, _ := json.Marshal(id.Str)
	return append(b, text...)
}

// Reply writes a successful response. The result is JSON.
func (s *Stream) Reply(id jsonrpc2.ID, result json.RawMessage) {
	s.respond(id, nil, `,"result":`, result)
}

// ReplyError writes an error response.
func (s *Stream) ReplyError(id jsonrpc2.ID, e *jsonrpc2.Error) {
	text, _ := json.Marshal(e)
	s.respond(id, nil, `,"error":`, text)
}

// refuse answers a malformed line.
func (s *Stream) refuse(rawID json.RawMessage, code int64, message string) {
	if len(rawID) == 0 {
		rawID = json.RawMessage("null")
	}
	text, _ := json.Marshal(jsonrpc2.Error{Code: code, Message: message})
	s.respond(jsonrpc2.ID{}, rawID, `,"error":`, text)
}

// respond writes a response for the id, or for rawID (JSON) if that is not nil.
func (s *Stream) respond(id jsonrpc2.ID, rawID json.RawMessage, member string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := append(s.response[:0], `{"jsonrpc":"2.0","id":`...)
	if rawID != nil {
		b = append(b, rawID...)
	} else {
		b = appendID(b, id)
	}
	b = append(b, member...)
	b = append(b, value...)
	b = append(b, "}\n"...)
	s.response = b
	_, _ = s.out.Write(b) // it fails only if the shim has gone
}

// WriteObject writes a notification.
func (s *Stream) WriteObject(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.out.Write(append(line, '\n'))
	return err
}

// Close does nothing: the stream does not own stdin and stdout.
func (s *Stream) Close() error { return nil }
