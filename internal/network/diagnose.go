package network

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// Hints of several problems.
const (
	checkNetwork = "Check the network, VPN and proxy, then try again."
	makeCAKnown  = "If your company inspects connections, name the file of its CA (PEM) as ca_file in the configuration " +
		"or in NODE_EXTRA_CA_CERTS, or add it to the system. If the network has a sign-in page of its own, open it in the browser first."
)

// Diagnose explains why a request to the URL failed with err. It returns a problem whose cause
// is err, and whose message is the end of a sentence, such as "the name … was not found.", for
// the caller to begin ("Could not refresh the session: ").
func (s Settings) Diagnose(err error, to *url.URL) *problem.Problem {
	var known *problem.Problem
	if errors.As(err, &known) {
		return known
	}
	p := s.diagnose(err, to)
	if to.Scheme == "http" && Loopback(to.Hostname()) && (isCut(err) || errors.As(err, new(*notHTTP))) {
		p.Hint = "If it speaks TLS, its address begins with https://. " + p.Hint
	}
	return p.Because(err)
}

func (s Settings) diagnose(err error, to *url.URL) *problem.Problem {
	var (
		refusal     *proxyRefusal
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		op          *net.OpError
		failed      *failure
		seen        = new(handshake)
		broken      *notHTTP
		host        = to.Host
		proxy, _    = Proxy(to)
		atProxy     = errors.As(err, &op) && op.Op == "proxyconnect" // the connection to the proxy itself failed
		viaProxy    = ""
	)
	unpassed := errors.As(err, &failed) && proxy != nil && to.Scheme == "https" && !failed.passed(proxy) && !isTimeout(err)
	if failed != nil {
		seen = failed.handshake
	}
	switch {
	case proxy != nil && (atProxy || unpassed):
		host = "the proxy " + proxy.Host
	case proxy != nil:
		viaProxy = ", through the proxy " + proxy.Host
	}
	alert, alerted := alertOf(err)
	switch {
	case errors.As(err, &refusal):
		return refusal.problem(proxy, to.Host)
	case op != nil && op.Op == "socks connect" && proxy != nil && !isCut(err) && !op.Timeout():
		return refusedBySOCKS(op.Err.Error(), proxy, to.Host)
	case errors.As(err, &certificate):
		return problem.New(problem.TLS, refusedCertificate(host, certificate), certificateHint(certificate))
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return problem.New(problem.TLS, host+" does not speak TLS.", "Check the address and its port; a page of the network may be in between.")
	case alerted:
		return s.refusedByServer(host, alert, seen.asked.Load())
	case errors.As(err, &dns):
		return passing(lookUp(dns, to, proxy))
	case isTimeout(err):
		return passing(host+" did not answer in time"+viaProxy+".", checkNetwork)
	case isOne(err, errRefused) && atProxy:
		return passing("nothing is listening at "+host+".", "Correct HTTPS_PROXY, or start the proxy.")
	case isOne(err, errRefused):
		return passing("nothing is listening at "+host+".", "Check the address and its port; the server may be down.")
	case isCut(err):
		return s.cutConnection(host, viaProxy, seen)
	}
	damaged := errors.As(err, &broken)
	if said, ok := ownTLS(host, err); ok && !damaged {
		return said
	}
	if damaged && strings.Contains(err.Error(), "headers exceeded") {
		return passing(fmt.Sprintf("%s sent headers of more than %d KiB.", host, maxHeaderSize>>10), "Ask who runs the server, or what is in between.")
	}
	if damaged || seen.connected.Load() {
		return passing(host+" gave an answer that is not HTTP, or is damaged.",
			"Check the address and its port; a proxy or firewall in between may damage what is sent. Then try again.")
	}
	return passing("no connection to "+host+viaProxy+".", checkNetwork)
}

// isTimeout reports whether err means that a time limit was over.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func passing(message, hint string) *problem.Problem {
	return problem.New(problem.Network, message, hint).Passing()
}

// cutConnection is the problem of a connection that was cut. viaProxy is ", through the proxy …",
// or "".
func (s Settings) cutConnection(host, viaProxy string, seen *handshake) *problem.Problem {
	switch {
	case seen.asked.Load() && s.ClientCert == "":
		return problem.New(problem.TLS, host+" asked for a client certificate, got none and cut the connection.", nameClientCertificate)
	case seen.asked.Load():
		return problem.New(problem.TLS, fmt.Sprintf("%s cut the connection after it received the client certificate %s: it may not accept it.", host, s.ClientCert), checkClientCertificate)
	case seen.begun.Load() > 0 && !seen.ended.Load():
		return passing(host+" cut the connection in the TLS handshake"+viaProxy+".", "A firewall may be in between, or the server wants another version of TLS; check the network, VPN and proxy, then try again.")
	default:
		return passing(host+" cut the connection"+viaProxy+".", "A firewall may be in between; check the network, VPN and proxy, then try again.")
	}
}

// lookUp explains why resolving a host name failed.
func lookUp(err *net.DNSError, to, proxy *url.URL) (message, hint string) {
	name, hint := "the name "+to.Hostname(), "Check the network or VPN, and the address in the configuration. If your company's network wants a proxy, set HTTPS_PROXY."
	if proxy != nil {
		name, hint = "the name of the proxy "+proxy.Host, "Check the network or VPN, and HTTPS_PROXY."
	}
	const resolver = "Check the network or VPN, and which name server this machine asks (/etc/resolv.conf on Linux), then try again."
	switch {
	case err.IsNotFound:
		return name + " was not found.", hint
	case err.IsTimeout:
		return name + " was not looked up: the name server did not answer in time.", resolver
	case strings.Contains(err.Err, "refused"):
		return name + " was not looked up: there is no name server where this machine asks for one.", resolver
	default: // SERVFAIL, for example
		return name + " was not looked up: the name server has a fault of its own.", resolver
	}
}

// problem returns the problem of a proxy that refuses to connect to a host.
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
	if r.status >= 500 || r.status == http.StatusTooManyRequests {
		p = p.Passing()
	}
	return p
}

// refusedBySOCKS is the problem of a SOCKS proxy that refuses to connect to a host. It looks at
// the text why, because the errors of net/http's SOCKS client have no types.
func refusedBySOCKS(why string, proxy *url.URL, host string) *problem.Problem {
	switch {
	case strings.Contains(why, "authentication"), strings.Contains(why, "username/password"):
		return PasswordForProxy(proxy, nil)
	case strings.Contains(why, "unexpected protocol version"):
		return problem.New(problem.Network, "the proxy "+proxy.Host+" does not speak SOCKS5.",
			"Write its address as http://host:port in HTTPS_PROXY, if it is an HTTP proxy.")
	default: // RFC 1928, 6
		return problem.New(problem.Network, fmt.Sprintf("the proxy %s makes no connection to %s (%s).", proxy.Host, host, plain(strings.TrimPrefix(why, "unknown error "))),
			"Ask who runs the proxy whether it lets this host through; if it is to be reached directly, add it to NO_PROXY.").Passing()
	}
}

// PasswordForProxy is the problem of a proxy that answers 407 Proxy Authentication Required.
// schemes are the values of Proxy-Authenticate.
func PasswordForProxy(proxy *url.URL, schemes []string) *problem.Problem {
	name, wants := "the proxy", "wants a user name and password"
	if proxy != nil {
		name += " " + proxy.Host
		if proxy.User != nil {
			wants = "does not accept the user name and password of HTTPS_PROXY"
		}
	}
	hint := "Put them into HTTPS_PROXY, as http://user:password@host:port, with special characters percent-encoded."
	// A header may hold several schemes with their parameters (RFC 9110, 11.6.1).
	if len(schemes) > 0 && !slices.ContainsFunc(strings.Split(strings.Join(schemes, ","), ","), func(one string) bool {
		scheme := strings.Fields(one)
		return len(scheme) > 0 && strings.EqualFold(scheme[0], "Basic")
	}) {
		wants = "wants a sign-in of another kind than Basic"
		hint = "Ask for a proxy that takes a user name and password, or run one on this machine that signs in for you, such as px or cntlm, and name it in HTTPS_PROXY."
	}
	return problem.New(problem.Network, name+" "+wants+".", hint)
}

const (
	nameClientCertificate  = "Name the files of yours in the configuration: the certificate as tls_client_cert, its private key as tls_client_key."
	checkClientCertificate = "Check that it is the right one and still valid; oci-oidc-helper doctor shows until when."
	askOwner               = "Check the address; if it is right, the server's owner must mend that."
)

// alertOf returns the TLS alert with which a server ended the handshake (RFC 8446, 6.2). It
// needs reflection, because crypto/tls returns the alert in an unexported type.
func alertOf(err error) (alert uint8, ok bool) {
	var op *net.OpError
	for errors.As(err, &op) {
		if op.Op == "remote error" {
			value := reflect.ValueOf(op.Err)
			if !value.IsValid() || value.Kind() != reflect.Uint8 {
				return 0, false
			}
			return uint8(value.Uint()), true
		}
		err = op.Err
	}
	return 0, false
}

// The alerts that have a problem of their own.
const (
	handshakeFailure     = 40
	badCertificate       = 42
	certificateRevoked   = 44
	certificateExpired   = 45
	illegalParameter     = 47
	unknownCA            = 48
	accessDenied         = 49
	protocolVersion      = 70
	insufficientSecurity = 71
	internalError        = 80
	unrecognizedName     = 112
	certificateRequired  = 116
)

// refusedByServer is the problem of a server that ended the handshake with an alert. asked
// reports whether it had requested a client certificate before.
func (s Settings) refusedByServer(host string, alert uint8, asked bool) *problem.Problem {
	text := tls.AlertError(alert).Error()
	text = strings.TrimPrefix(text, "tls: ")
	aboutCertificate := badCertificate <= alert && alert <= accessDenied && alert != illegalParameter || alert == certificateRequired
	switch {
	case s.ClientCert == "" && (aboutCertificate || asked && alert == handshakeFailure):
		return problem.New(problem.TLS, host+" wants a client certificate.", nameClientCertificate)
	case aboutCertificate || asked && alert == handshakeFailure:
		why := map[uint8]string{
			certificateRevoked: "it was revoked", certificateExpired: "it has expired", unknownCA: "its issuer is not known there",
			accessDenied: "its owner has no access there", certificateRequired: "its issuer is none of those that the server names",
		}[alert]
		return problem.New(problem.TLS, fmt.Sprintf("%s does not accept the client certificate %s (%s).", host, s.ClientCert, cmp.Or(why, text)), checkClientCertificate)
	case alert == protocolVersion:
		return oldProtocol(host)
	case alert == handshakeFailure, alert == insufficientSecurity:
		return problem.New(problem.TLS, fmt.Sprintf("%s and this program have no cipher in common: it offers only old ciphers, a kind of certificate that is not accepted here, or nothing for this name (%s).", host, text),
			askOwner)
	case alert == unrecognizedName:
		return problem.New(problem.TLS, fmt.Sprintf("%s serves another name than this one (%s).", host, text), "Check the address.")
	case alert == internalError:
		return problem.New(problem.TLS, fmt.Sprintf("%s has a fault of its own in its TLS (%s).", host, text), "Try again in a moment; if that does not help, ask who runs the server.").Passing()
	default:
		return problem.New(problem.TLS, fmt.Sprintf("%s refused the TLS connection (%s).", host, text), "Check the address, and ask your administrator, with this message.")
	}
}

func oldProtocol(host string) *problem.Problem {
	return problem.New(problem.TLS, host+" speaks only an old protocol, older than TLS 1.2.", askOwner)
}

// ownTLS returns the problem if crypto/tls itself refused the server's handshake. It looks at
// the text of the error, because these errors have no types.
func ownTLS(host string, err error) (*problem.Problem, bool) {
	text := err.Error()
	at := strings.Index(text, "tls: ")
	if at < 0 {
		return nil, false
	}
	text = text[at+len("tls: "):]
	switch unread := "failed to parse certificate from server: "; {
	case strings.HasPrefix(text, "server selected unsupported protocol version"):
		return oldProtocol(host), true
	case strings.HasPrefix(text, unread) && strings.Contains(text, "negative serial"):
		return problem.New(problem.TLS, "the certificate of "+host+" has a negative serial number, which no certificate may have.", askOwner), true
	case strings.HasPrefix(text, unread):
		return problem.New(problem.TLS, fmt.Sprintf("the certificate of %s cannot be read (%s).", host, plain(strings.TrimPrefix(text, unread))), askOwner), true
	default:
		return problem.New(problem.TLS, fmt.Sprintf("%s speaks TLS in a way that is not accepted here (%s).", host, plain(text)), askOwner), true
	}
}

// refusedCertificate explains why a server's certificate was not accepted.
func refusedCertificate(host string, err *tls.CertificateVerificationError) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		noCAs   x509.SystemRootsError
		leaf    = err.UnverifiedCertificates[0]
		of      = "the certificate of " + host
	)
	switch {
	case errors.As(err.Err, &invalid):
		return invalidCertificate(of, leaf, invalid)
	case errors.As(err.Err, &name) && names(leaf) == "" && leaf.Subject.CommonName == "":
		return of + " is for no host name or address at all."
	case errors.As(err.Err, &name) && names(leaf) == "":
		return fmt.Sprintf("%s has no subject alternative name, and its common name %s does not count.", of, plain(leaf.Subject.CommonName))
	case errors.As(err.Err, &name):
		return fmt.Sprintf("%s is for another name: %s.", of, plain(names(leaf)))
	case errors.As(err.Err, &noCAs), errors.As(err.Err, &unknown) && noneTrusted():
		return of + " cannot be checked: this machine has no certificates of authorities."
	case errors.As(err.Err, &unknown):
		return unknownAuthority(of, err.UnverifiedCertificates, err.Err.Error())
	default:
		return fmt.Sprintf("%s was not accepted (%s).", of, plain(err.Err.Error()))
	}
}

// unknownAuthority explains why no trusted CA was found for a chain. It also looks at the text
// of the error, because only that says why crypto/x509 rejected a CA with the right name.
func unknownAuthority(of string, chain []*x509.Certificate, text string) string {
	leaf := chain[0]
	_, weak, insecure := strings.Cut(text, "insecure algorithm ")
	weak, _, _ = strings.Cut(weak, `"`)
	switch {
	case insecure:
		return fmt.Sprintf("%s, or one of its issuers, has a signature that is too weak (%s).", of, plain(weak))
	case strings.Contains(text, "cannot sign this kind of certificate"):
		return of + " has an issuer that may not issue certificates."
	case strings.Contains(text, "while trying to verify candidate"):
		return fmt.Sprintf("%s was issued by %s, but not with the key that this machine knows: that authority was probably renewed.", of, plain(leaf.Issuer.String()))
	case bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		return fmt.Sprintf("%s is signed by itself, and so by an authority that this machine does not know: %s.", of, plain(leaf.Issuer.String()))
	case len(chain) == 1 && leaf.IssuingCertificateURL != nil: // only a public authority says where its own certificate is
		return fmt.Sprintf("%s was issued by an authority that this machine does not know, %s, and whose own certificate the server does not send.", of, plain(leaf.Issuer.String()))
	default:
		return fmt.Sprintf("%s was issued by an authority that this machine does not know: %s.", of, plain(leaf.Issuer.String()))
	}
}

// invalidCertificate explains what is wrong with a certificate of the chain.
func invalidCertificate(of string, leaf *x509.Certificate, invalid x509.CertificateInvalidError) string {
	if invalid.Cert != nil && !invalid.Cert.Equal(leaf) && invalid.Reason == x509.Expired {
		of = fmt.Sprintf("%s has an issuer, %s, which", of, plain(invalid.Cert.Subject.String()))
		leaf = invalid.Cert
	}
	switch invalid.Reason {
	case x509.Expired:
		if time.Now().Before(leaf.NotBefore) {
			return fmt.Sprintf("%s is not valid before %s UTC.", of, leaf.NotBefore.UTC().Format(time.DateTime))
		}
		return fmt.Sprintf("%s expired at %s UTC.", of, leaf.NotAfter.UTC().Format(time.DateTime))
	case x509.NotAuthorizedToSign:
		return of + " has an issuer that may not issue certificates."
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.NameConstraintsWithoutSANs, x509.TooManyConstraints:
		return of + " is for a name that its authority may not issue certificates for (name constraints)."
	case x509.TooManyIntermediates:
		return of + " has more issuers in between than its authority allows."
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return of + " is not for servers (extended key usage)."
	case x509.NoValidChains:
		return of + " has no issuer that is valid for it."
	case x509.NameMismatch:
		return of + " names another issuer than the one that signed it."
	default:
		return fmt.Sprintf("%s was not accepted (%s).", of, plain(invalid.Error()))
	}
}

// noneTrusted reports whether this machine has no CAs at all, as in small containers.
func noneTrusted() bool {
	pool, err := x509.SystemCertPool()
	return err != nil || pool.Equal(x509.NewCertPool())
}

// names lists the host names and addresses that a certificate is valid for: all, or the first
// few and the number of the others.
func names(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, address := range c.IPAddresses {
		all = append(all, address.String())
	}
	const few = 5
	if more := len(all) - few; more > 1 {
		return fmt.Sprintf("%s and %d others", strings.Join(all[:few], ", "), more)
	}
	return strings.Join(all, ", ")
}

func certificateHint(err *tls.CertificateVerificationError) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		noCAs   x509.SystemRootsError
	)
	broken := brokenVariables()
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && !slices.ContainsFunc(err.UnverifiedCertificates, invalid.Cert.Equal):
		return "Check this machine's clock; if it is right, put the authority's new certificate where its old one is, such as the file that ca_file names."
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return "Check this machine's clock; if it is right, the server's owner must renew the certificate."
	case errors.As(err.Err, &name):
		return "Check the address; a proxy or a page of the network may be in between."
	case errors.As(err.Err, &invalid), errors.As(err.Err, &unknown) && (strings.Contains(err.Error(), "insecure algorithm") || strings.Contains(err.Error(), "cannot sign this kind")):
		return askOwner
	case errors.As(err.Err, &unknown) && len(err.UnverifiedCertificates) == 1 && err.UnverifiedCertificates[0].IssuingCertificateURL != nil:
		return "The server's owner must have it send the intermediate certificate as well; until then, name a file with that one as ca_file in the configuration. " + makeCAKnown
	case broken != "":
		return "Correct the variable: " + broken + ". " + makeCAKnown
	case errors.As(err.Err, &noCAs), errors.As(err.Err, &unknown) && noneTrusted():
		return "Install the system's certificates (the package ca-certificates). " + makeCAKnown
	}
	return makeCAKnown
}
