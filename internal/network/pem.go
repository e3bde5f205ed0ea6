package network

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// certificates are the certificates of a file.
type certificates struct {
	all    []*x509.Certificate
	unused []string // those that Go does not accept: "line 12: x509: …"
}

// parseCertificates parses PEM certificates (RFC 7468) in the forms that occur: with text
// between them, without a line break between them, indented, in one line, with \n for line
// breaks as in JSON, in UTF-16, or as OpenSSL's TRUSTED CERTIFICATE; or DER. It skips no damaged part silently: it returns the other
// certificates, and an error with the number of the line. The text of the error follows "FILE,
// which".
func parseCertificates(raw []byte) (found certificates, err error) {
	if all, err := x509.ParseCertificates(raw); err == nil && len(all) > 0 {
		raw = []byte(encodePEM(all))
	}
	text := strings.NewReplacer(`\r`, "", `\n`, "\n").Replace(plainText(raw))
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	var damaged, other string
	closing := map[int]bool{} // where the END of a block begins
	for at := 0; ; {
		next := strings.Index(text[at:], begin)
		if next < 0 {
			break
		}
		at += next
		line := 1 + strings.Count(text[:at], "\n")
		kind, rest, ok := strings.Cut(text[at+len(begin):], dashes)
		body, _, closed := strings.Cut(rest, end+kind+dashes)
		at += len(begin)
		closing[at+len(kind+dashes+body)+len(dashes)] = closed
		if !ok || strings.ContainsAny(kind, "\r\n") {
			continue // the marker is part of a comment
		}
		if !strings.HasSuffix(kind, "CERTIFICATE") {
			other = kind
			continue
		}
		der := derOf(body)
		if !closed || strings.Contains(body, begin) || der == nil {
			if damaged == "" {
				damaged = fmt.Sprintf("has a damaged certificate in line %d", line)
			}
			continue
		}
		certificate, err := x509.ParseCertificate(der)
		switch {
		case err != nil:
			found.unused = append(found.unused, fmt.Sprintf("line %d: %v", line, err))
		case certificate.PublicKey == nil: // such as RSA-PSS, with which crypto/x509 verifies nothing
			found.unused = append(found.unused, fmt.Sprintf("line %d: its key is of a kind that is not accepted here", line))
		default:
			found.all = append(found.all, certificate)
		}
	}
	for _, at := range endOfCertificate().FindAllStringIndex(text, -1) {
		if damaged == "" && !closing[at[0]] { // its BEGIN is damaged or missing
			damaged = fmt.Sprintf("has a damaged certificate in line %d", 1+strings.Count(text[:at[0]], "\n"))
		}
	}
	switch {
	case damaged != "":
		return found, errors.New(damaged)
	case found.all == nil && found.unused != nil:
		return found, fmt.Errorf("has a certificate that cannot be used, %s", plain(found.unused[0]))
	case found.all == nil && other != "":
		return found, fmt.Errorf("holds no certificate in PEM form, but %s", plain(other))
	case found.all == nil && bytes.HasPrefix(raw, []byte{0x30, 0x82}): // a long sequence in DER
		return found, errors.New("holds no certificate, but binary data such as PKCS #12 or PKCS #7")
	case found.all == nil:
		return found, errors.New("holds no certificate in PEM form")
	}
	return found, nil
}

// endOfCertificate matches what closes a certificate, before any kind of dash.
var endOfCertificate = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`END [A-Z0-9 ]*CERTIFICATE[\p{Pd}−]`) })

// plainText converts a file to UTF-8; see [disk.DecodeText].
func plainText(raw []byte) string {
	text, err := disk.DecodeText(raw)
	if err != nil {
		text = raw // not text, so it has no PEM blocks either
	}
	return string(text)
}

// derOf decodes the body of a PEM block, without headers (RFC 1421) and without the data that
// OpenSSL appends to a TRUSTED CERTIFICATE. It returns nil if the body is not DER.
func derOf(body string) []byte {
	var encoded strings.Builder
	for line := range strings.FieldsFuncSeq(body, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if !strings.Contains(line, ":") {
			encoded.WriteString(strings.Join(strings.Fields(line), ""))
		}
	}
	der, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded.String(), "="))
	if err != nil {
		return nil
	}
	var whole asn1.RawValue
	if _, err := asn1.Unmarshal(der, &whole); err != nil || whole.Tag != asn1.TagSequence {
		return nil
	}
	return whole.FullBytes
}

func encodePEM(certificates []*x509.Certificate) string {
	var b bytes.Buffer
	for _, certificate := range certificates {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	}
	return b.String()
}

// plain returns a text from a server without control characters.
func plain(text string) string { return strings.Trim(strconv.QuoteToGraphic(text), `"`) }
