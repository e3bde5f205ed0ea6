package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// Hints that several troubles share.
const (
	checkNetwork = "Check the network, VPN and proxy, then try again."
	makeCAKnown  = "If your company inspects connections, name the file of its CA (PEM) as ca_file in the configuration " +
		"or in NODE_EXTRA_CA_CERTS, or add it to the system. If the network has a sign-in page of its own, open it in the browser first."
)

// Diagnose says why a request to the URL with these settings got no answer: a
// problem whose message begins in the middle of a sentence, "the name … was not
// found.", and whose cause is err.
func (s Settings) Diagnose(err error, to *url.URL) *problem.Problem {
	var known *problem.Problem
	if errors.As(err, &known) {
		return known
	}
	return s.diagnose(err, to).Because(err)
}

func (s Settings) diagnose(err error, to *url.URL) *problem.Problem {
	var (
		refusal     *proxyRefusal
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		timeout     net.Error
		op          *net.OpError
		host        = to.Host
		proxy, _    = Proxy(to)
		atProxy     = errors.As(err, &op) && op.Op == "proxyconnect" // not beyond it
	)
	if atProxy && proxy != nil {
		host = "the proxy " + proxy.Host
	}
	passing := func(message, hint string) *problem.Problem {
		return problem.New(problem.Network, message, hint).Passing()
	}
	switch {
	case errors.As(err, &refusal):
		return refusal.problem(proxy, to.Host)
	case errors.As(err, &certificate):
		return problem.New(problem.TLS, refusedCertificate(host, certificate), certificateHint(certificate))
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return problem.New(problem.TLS, host+" does not speak TLS.", "Check the address and its port; a page of the network may be in between.")
	case errors.As(err, &op) && op.Op == "remote error":
		return s.refusedByServer(host, op.Err)
	case errors.As(err, &dns) && dns.IsNotFound && proxy != nil:
		return passing("the name of the proxy "+proxy.Host+" was not found.", "Check the network or VPN, and HTTPS_PROXY.")
	case errors.As(err, &dns) && dns.IsNotFound:
		return passing("the name "+to.Hostname()+" was not found.",
			"Check the network or VPN, and the address in the configuration. If your company's network wants a proxy, set HTTPS_PROXY.")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return passing(host+" did not answer in time"+through(proxy, atProxy)+".", checkNetwork)
	case errors.Is(err, syscall.ECONNREFUSED) && atProxy:
		return passing("nobody listens at "+host+".", "Correct HTTPS_PROXY, or start the proxy.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return passing("nobody listens at "+host+".", "Check the address and its port; the server may be down.")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return passing(host+" cut the connection"+through(proxy, atProxy)+".", "A firewall may be in between; check the network, VPN and proxy, then try again.")
	default:
		return passing("no connection to "+host+through(proxy, atProxy)+".", checkNetwork)
	}
}

func through(proxy *url.URL, atProxy bool) string {
	if proxy == nil || atProxy {
		return ""
	}
	return ", through the proxy " + proxy.Host
}

// problem is what the refusal of a proxy means for a connection to a host.
func (r *proxyRefusal) problem(proxy *url.URL, host string) *problem.Problem {
	name := "the proxy"
	if proxy != nil {
		name += " " + proxy.Host
	}
	if r.status == http.StatusProxyAuthRequired {
		return PasswordForProxy(proxy, r.schemes)
	}
	p := problem.New(problem.Network, fmt.Sprintf("%s makes no connection to %s (status %d).", name, host, r.status),
		"Ask who runs the proxy whether it lets this host through; if it is to be reached directly, add it to NO_PROXY.")
	if r.status >= 500 {
		p = p.Passing()
	}
	return p
}

// PasswordForProxy is the problem of a proxy that answers 407 and offers these
// schemes of authentication.
func PasswordForProxy(proxy *url.URL, schemes []string) *problem.Problem {
	name, wants := "the proxy", "wants a user name and password"
	if proxy != nil {
		name += " " + proxy.Host
		if proxy.User != nil {
			wants = "does not accept the user name and password of HTTPS_PROXY"
		}
	}
	hint := "Put them into HTTPS_PROXY, as http://user:password@host:port, with special characters percent-encoded."
	basic := len(schemes) == 0
	for i, scheme := range schemes {
		schemes[i], _, _ = strings.Cut(scheme, " ")
		basic = basic || strings.EqualFold(schemes[i], "Basic")
	}
	if !basic {
		wants = "wants a sign-in of another kind than Basic"
		hint = "Ask for a proxy that takes a user name and password, or run one on this machine that signs in for you, such as px or cntlm, and name it in HTTPS_PROXY."
	}
	return problem.New(problem.Network, name+" "+wants+".", hint)
}

// refusedByServer is the problem of a server that ended the handshake, usually for
// want of a client certificate (RFC 8446, 6.2).
func (s Settings) refusedByServer(host string, alert error) *problem.Problem {
	switch text := alert.Error(); {
	case s.ClientCert == "" && (strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") || strings.Contains(text, "handshake failure")):
		return problem.New(problem.TLS, host+" wants a client certificate.",
			"Name the files of yours in the configuration: the certificate as tls_client_cert, its private key as tls_client_key.")
	case s.ClientCert != "" && strings.Contains(text, "certificate"):
		return problem.New(problem.TLS, fmt.Sprintf("%s does not accept the client certificate %s (%s).", host, s.ClientCert, strings.TrimPrefix(text, "tls: ")),
			"Check that it is the right one and still valid; oci-oidc-helper doctor shows until when.")
	default:
		return problem.New(problem.TLS, fmt.Sprintf("%s refused the TLS connection (%s).", host, strings.TrimPrefix(text, "tls: ")),
			"Check the address, and ask your administrator, with this message.")
	}
}

// refusedCertificate says why a server's certificate is not accepted.
func refusedCertificate(host string, err *tls.CertificateVerificationError) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		leaf    = err.UnverifiedCertificates[0]
	)
	of := "the certificate of " + host
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(leaf.NotBefore):
		return fmt.Sprintf("%s is not valid before %s.", of, leaf.NotBefore.Format(time.DateOnly))
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("%s expired at %s.", of, invalid.Cert.NotAfter.Format(time.DateTime))
	case errors.As(err.Err, &name):
		return fmt.Sprintf("%s is for another name: %s.", of, plain(strings.Join(names(leaf), ", ")))
	case errors.As(err.Err, &unknown):
		return fmt.Sprintf("%s was issued by an authority that this machine does not know: %s.", of, plain(leaf.Issuer.String()))
	default:
		return of + " was not accepted."
	}
}

// plain is what a server says of itself, without control characters.
func plain(text string) string { return strings.Trim(strconv.QuoteToGraphic(text), `"`) }

// names are what a certificate is for.
func names(c *x509.Certificate) []string {
	all := c.DNSNames
	for _, address := range c.IPAddresses {
		all = append(all, address.String())
	}
	if all == nil {
		all = []string{c.Subject.CommonName}
	}
	return all
}

func certificateHint(err *tls.CertificateVerificationError) string {
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
	)
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return "Check this machine's clock; if it is right, the server's owner must renew the certificate."
	case errors.As(err.Err, &name):
		return "Check the address; a proxy or a page of the network may be in between."
	}
	if broken := brokenVariables(); broken != "" {
		return "Correct " + broken + ". " + makeCAKnown
	}
	return makeCAKnown
}
