package network

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func packed(t *testing.T, text string, with func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := with(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Answers in every encoding are read, and an answer that is not HTTP has an error that says so.
// No error quotes a line of the answer, which may contain a token.
func TestAnswersInEveryEncoding(t *testing.T) {
	const (
		text    = `{"access_token":"opaque-4711-token","expires_in":3600}`
		notHTTP = "gave an answer that is not HTTP, or is damaged"
	)
	gzipped := func(text string) string {
		return packed(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	}
	deflated := packed(t, text, func(w io.Writer) io.WriteCloser { c, _ := flate.NewWriter(w, flate.BestCompression); return c })
	zlibbed := packed(t, text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	utf16 := "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00"
	answer := func(header, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	}
	chunks := fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
	for _, row := range []struct{ name, raw, says string }{
		{"plain", answer("", text), ""},
		{"gzip", answer("Content-Encoding: gzip\r\n", gzipped(text)), ""},
		{"gzip that is not announced", answer("", gzipped(text)), ""},
		{"gzip that is announced and is none", answer("Content-Encoding: gzip\r\n", text), ""},
		{"gzip twice", answer("Content-Encoding: gzip, gzip\r\n", gzipped(gzipped(text))), ""},
		{"x-gzip", answer("Content-Encoding: x-gzip\r\n", gzipped(text)), ""},
		{"deflate", answer("Content-Encoding: deflate\r\n", deflated), ""},
		{"deflate as zlib", answer("Content-Encoding: deflate\r\n", zlibbed), ""},
		{"deflate that is announced and is none", answer("Content-Encoding: deflate\r\n", text), ""},
		{"a byte order mark", answer("", "\xef\xbb\xbf"+text), ""},
		{"UTF-16", answer("Content-Type: application/json; charset=utf-16\r\n", utf16), ""},
		{"UTF-16, packed", answer("Content-Encoding: gzip\r\n", gzipped(utf16)), ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n" + text, ""},
		{"line feeds alone", "HTTP/1.1 200 OK\nX: y\n\n" + text, ""},
		{"a space after a header's name", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n" + text, ""},
		{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer("", text), ""},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n", ""},
		{"chunks and a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n", ""},

		{"chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, "cut the connection"},
		{"a chunk that does not end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + text + "\r\n", notHTTP},
		{"a chunk of no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + "\r\n", notHTTP},
		{"another encoding of the transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunks + "0\r\n\r\n", notHTTP},
		{"more than there is", strings.Replace(answer("", text), "Length: ", "Length: 1", 1), "cut the connection"},
		{"gzip that is cut", answer("", gzipped(text)[:40]), "cut the connection"},
		{"gzip that is damaged", answer("", gzipped(text)[:10]+"\x07 and so on"), notHTTP},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + text, notHTTP},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n" + text, notHTTP},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + text, notHTTP},
		{"no header", text, notHTTP},
		{"a header that is none", "HTTP/1.1 200 OK\r\n" + text + "\r\n\r\n", notHTTP},
		{"a status that is none", "HTTP/1.1 two OK\r\n\r\n" + text, notHTTP},
		{"ICY", "ICY 200 OK\r\n\r\n" + text, notHTTP},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", notHTTP},
		{"SMTP", "220 mail.example.com ESMTP\r\n", notHTTP},
		{"HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff", notHTTP},
		{"an alert of TLS", "\x15\x03\x01\x00\x02\x02\x46", notHTTP},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Ty", notHTTP},
		{"a long header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 2*maxHeaderSize) + "\r\n\r\n" + text, "sent headers of more than 64 KiB"},
		{"the words of TLS", "tls: " + text, notHTTP},
		{"nothing", "", "cut the connection"},
	} {
		t.Run(row.name, func(t *testing.T) {
			to := listening(t, func(conn *net.TCPConn) {
				if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && req.Header.Get("Accept-Encoding") == "" {
					_, _ = io.WriteString(conn, row.raw)
				}
			})
			to.Scheme = "http"
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := Settings{}.RoundTrip(req)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			switch {
			case row.says == "" && (err != nil || string(body) != text):
				t.Errorf("%q, %v", body, err)
			case row.says != "":
				p := Settings{}.Diagnose(err, to)
				check(t, p, problem.Network, to.Host+" "+row.says)
				if all := fmt.Sprint(p, err, p.Cause); strings.Contains(all, "opaque-4711") || strings.Contains(all, "access_token") {
					t.Errorf("the answer is quoted: %s", all)
				}
			}
		})
	}
}

// Whatever a server sends, reading the body ends, and its error quotes nothing.
func FuzzAnswerBody(f *testing.F) {
	for _, with := range []func(io.Writer) io.WriteCloser{
		func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		func(w io.Writer) io.WriteCloser { c, _ := flate.NewWriter(w, flate.DefaultCompression); return c },
	} {
		var b bytes.Buffer
		w := with(&b)
		_, _ = io.WriteString(w, `{"access_token":"x"}`)
		_ = w.Close()
		f.Add("deflate", b.Bytes())
		f.Add("", b.Bytes())
	}
	f.Add("gzip", []byte(`{"access_token":"x"}`))
	f.Add("", []byte("\xff\xfe{\x00}\x00"))
	f.Fuzz(func(t *testing.T, encoding string, packed []byte) {
		resp := &http.Response{Header: http.Header{"Content-Encoding": {encoding}}, Body: io.NopCloser(bytes.NewReader(packed))}
		text, err := io.ReadAll(io.LimitReader(newAnswerBody(resp), 1<<20))
		var broken *notHTTP
		if err != nil && !isCut(err) && !errors.As(err, &broken) {
			t.Errorf("%v", err)
		}
		if bytes.HasPrefix(packed, []byte("{")) && !bytes.Equal(text, packed) {
			t.Errorf("%q became %q", packed, text)
		}
	})
}
