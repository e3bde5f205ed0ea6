package network

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A notHTTP is the error of an answer that is not valid HTTP. Its text is that of net/http
// without the quoted line of the answer, which may contain a token.
type notHTTP struct{ phrase string }

func (e *notHTTP) Error() string { return "not HTTP: " + e.phrase }

// aboutAnswer returns a [notHTTP] if err is about the form of the answer, and otherwise err.
func aboutAnswer(err error) error {
	var timeout net.Error
	if err == nil || isCut(err) || errors.As(err, &timeout) {
		return err
	}
	innermost := err
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		innermost = inner
	}
	phrase := strings.TrimPrefix(strings.TrimPrefix(innermost.Error(), "net/"), "http: ")
	if end := strings.IndexAny(phrase, ":\"'{<="); end >= 0 {
		phrase = phrase[:end]
	}
	return &notHTTP{strings.TrimSpace(phrase)}
}

// An answerBody is the body of a response, decompressed and in UTF-8 without a byte order mark.
// It recognises compression by the first bytes in addition to the header, because some proxies
// change one without the other. After an error, the part that was read remains usable.
type answerBody struct {
	io.Closer
	packed   io.Reader
	encoding string // Content-Encoding
	plain    io.Reader
}

func newAnswerBody(resp *http.Response) *answerBody {
	return &answerBody{Closer: resp.Body, packed: resp.Body, encoding: resp.Header.Get("Content-Encoding")}
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.plain == nil {
		b.plain = transform.NewReader(unpacked(b.packed, b.encoding), unicode.BOMOverride(encoding.Nop.NewDecoder()))
	}
	n, err := b.plain.Read(p)
	if err != io.EOF {
		err = aboutAnswer(err)
	}
	return n, err
}

// maxPacked is the number of nested compressions that are decompressed.
const maxPacked = 3

func unpacked(packed io.Reader, encoding string) io.Reader {
	body := bufio.NewReader(packed)
	for range maxPacked {
		begin, _ := body.Peek(2)
		if !bytes.Equal(begin, []byte{0x1f, 0x8b}) {
			break
		}
		inner, err := gzip.NewReader(body)
		if err != nil {
			return failing{err}
		}
		body = bufio.NewReader(inner)
	}
	if !strings.EqualFold(encoding, "deflate") {
		return body
	}
	// "deflate" means zlib (RFC 9110, 8.4.1.2), but some servers send raw deflate data.
	begin, _ := body.Peek(2)
	switch {
	case len(begin) == 2 && begin[0] == 0x78 && (int(begin[0])<<8|int(begin[1]))%31 == 0:
		inner, err := zlib.NewReader(body)
		if err != nil {
			return failing{err}
		}
		return inner
	case len(begin) > 0 && strings.IndexByte("{[<\"", begin[0]) < 0:
		return flate.NewReader(body)
	}
	return body
}

// failing is a reader that returns an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
