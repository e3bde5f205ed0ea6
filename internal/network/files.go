package network

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// Settings are the network settings in the configuration: absolute paths of PEM files, or "".
// Proxies are set by the environment only.
//
// Settings implement [http.RoundTripper]; [Settings.Diagnose] explains its errors. Each request
// uses a new connection.
type Settings struct {
	CAFile     string // CAs to trust in addition to the system's
	CASum      string // hexadecimal SHA-256 that CAFile must have; "" accepts any
	ClientCert string // client certificate with its chain, for servers that request one
	ClientKey  string // its private key; "" if it is in ClientCert
}

// CAVariables are the environment variables for a file of CAs. OpenCode reads the same ones.
var CAVariables = []string{"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"}

// roots returns the trusted CAs, or nil for the system's only. Like other programs, it ignores
// the file of a variable if it cannot be used; [Settings.Diagnose] mentions that when a
// certificate is not accepted.
func (s Settings) roots() (*x509.CertPool, error) {
	extra, err := s.companyCAs()
	if err != nil {
		return nil, err
	}
	var read []string
	for _, name := range CAVariables {
		path := os.Getenv(name)
		if path == "" || slices.Contains(read, path) || name == "SSL_CERT_FILE" && isSystems {
			continue
		}
		read = append(read, path)
		found, _, _ := ReadCertificates(path)
		extra = append(extra, found...)
	}
	if err := systemReads(); err != nil {
		return nil, err
	}
	if extra == nil {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, certificate := range extra {
		pool.AddCert(certificate)
	}
	return pool, nil
}

// companyCAs returns the certificates of ca_file, or nil if it is not set.
func (s Settings) companyCAs() ([]*x509.Certificate, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	text, err := read(s.CAFile)
	if sum := sha256.Sum256(text); err == nil && s.CASum != "" && hex.EncodeToString(sum[:]) != s.CASum {
		return nil, problem.New(problem.Untrusted, fmt.Sprintf("ca_file names %s, which is not what was confirmed.", s.CAFile),
			`If you know why it is another one, confirm it with /connect or "oci-oidc-helper config trust".`)
	}
	var found certificates
	if err == nil {
		found, err = parseCertificates(text)
	}
	if err != nil {
		return nil, problem.New(problem.Config, fmt.Sprintf("ca_file names %s, which %v.", s.CAFile, err),
			"Name a file with the company's CA in PEM form, which begins with -----BEGIN CERTIFICATE-----.")
	}
	return found.all, nil
}

// systemReads returns a problem if SSL_CERT_FILE or SSL_CERT_DIR lead to something that
// crypto/x509 must not read: it would wait for a pipe, and load a large file into memory.
func systemReads() error {
	if !isSystems {
		return nil
	}
	named := map[string][]string{"SSL_CERT_FILE": {os.Getenv("SSL_CERT_FILE")}}
	for _, dir := range filepath.SplitList(os.Getenv("SSL_CERT_DIR")) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			named["SSL_CERT_DIR"] = append(named["SSL_CERT_DIR"], filepath.Join(dir, entry.Name()))
		}
	}
	for variable, paths := range named {
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil || info.IsDir() { // crypto/x509 ignores these
				continue
			}
			if err = regular.Check(path, info); err == nil && info.Size() > MaxFileSize {
				err = fmt.Errorf("it is larger than %d bytes", MaxFileSize)
			}
			if err != nil {
				return problem.New(problem.Config, fmt.Sprintf("%s names %s, which %s.", variable, path, regular.Why(err)), "Correct the variable, or unset it.").Because(err)
			}
		}
	}
	return nil
}

// isSystems reports whether crypto/x509 itself reads SSL_CERT_FILE on this platform, in addition
// to the system's directories.
const isSystems = runtime.GOOS != "windows" && runtime.GOOS != "darwin"

// ReadCertificates returns the certificates of a PEM file. unused describes those that cannot be
// used. It may return certificates and an error; the text of the error follows "FILE, which".
func ReadCertificates(path string) (found []*x509.Certificate, unused []string, err error) {
	text, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	c, err := parseCertificates(text)
	return c.all, c.unused, err
}

// Stamp returns a text that changes when a file of certificates does, one of the settings or of
// [CAVariables]. A transport made before does not know the new content.
func (s Settings) Stamp() string {
	var stamp strings.Builder
	for _, path := range []string{s.CAFile, s.ClientCert, s.ClientKey, os.Getenv(CAVariables[0]), os.Getenv(CAVariables[1])} {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprint(&stamp, path, info.ModTime(), info.Size())
		}
	}
	return stamp.String()
}

// MaxFileSize is the longest file that is read, in bytes. Bundles of CAs have about 250 kB.
const MaxFileSize = 4 << 20

// read returns the content of a file. The text of its error follows "FILE, which".
func read(path string) ([]byte, error) {
	text, err := regular.Read(path, MaxFileSize)
	if err != nil {
		return nil, errors.New(regular.Why(err))
	}
	return text, nil
}

// ReadClientCertificate returns the client certificate with its key. Its error is a
// problem of kind Config.
func (s Settings) ReadClientCertificate() (tls.Certificate, error) {
	wrong := func(key, path string, what error) (tls.Certificate, error) {
		return tls.Certificate{}, problem.New(problem.Config, fmt.Sprintf("%s names %s, which %v.", key, path, what),
			"Name files in PEM form: the certificate as tls_client_cert, its private key as tls_client_key.")
	}
	certText, err := read(s.ClientCert)
	if err != nil {
		return wrong("tls_client_cert", s.ClientCert, err)
	}
	key, keyPath, keyText := "tls_client_cert", s.ClientCert, certText
	if s.ClientKey != "" {
		key, keyPath = "tls_client_key", s.ClientKey
		if keyText, err = read(s.ClientKey); err != nil {
			return wrong(key, keyPath, err)
		}
	}
	all, _, err := ReadCertificates(s.ClientCert)
	if err != nil {
		return wrong("tls_client_cert", s.ClientCert, err)
	}
	keyText = []byte(plainText(keyText))
	if bytes.Contains(keyText, []byte("ENCRYPTED")) {
		return wrong(key, keyPath, errors.New("holds a private key with a passphrase; write it without one (openssl pkey -in FILE -out NEW), readable by you alone"))
	}
	secret.Remember(string(keyText))
	var certificate tls.Certificate
	for i, leaf := range all { // some tools write the client's own certificate last
		chain := append([]*x509.Certificate{leaf}, slices.Delete(slices.Clone(all), i, i+1)...)
		if certificate, err = tls.X509KeyPair([]byte(encodePEM(chain)), keyText); err == nil {
			break
		}
	}
	switch {
	case err == nil:
		return certificate, nil
	case strings.Contains(err.Error(), "does not match"):
		return wrong(key, keyPath, errors.New("holds the private key of another certificate"))
	default:
		return wrong(key, keyPath, errors.New("holds no private key that can be used"))
	}
}

// CertificateDirectories returns SSL_CERT_DIR, or "" on a platform where nothing reads it. broken
// says what is wrong if nothing that it names is a directory.
func CertificateDirectories() (dirs, broken string) {
	dirs = os.Getenv("SSL_CERT_DIR")
	if dirs == "" || !isSystems {
		return "", ""
	}
	if !slices.ContainsFunc(filepath.SplitList(dirs), func(dir string) bool {
		info, err := os.Stat(dir)
		return err == nil && info.IsDir()
	}) {
		broken = fmt.Sprintf("SSL_CERT_DIR names %s, where there is no directory", dirs)
	}
	return dirs, broken
}

// brokenVariables describes the variables whose files of CAs cannot be used.
func brokenVariables() string {
	var said []string
	if _, broken := CertificateDirectories(); broken != "" {
		said = append(said, broken)
	}
	for _, name := range CAVariables {
		if path := os.Getenv(name); path != "" {
			if _, _, err := ReadCertificates(path); err != nil {
				said = append(said, fmt.Sprintf("%s names %s, which %v", name, path, err))
			}
		}
	}
	return strings.Join(said, "; ")
}
