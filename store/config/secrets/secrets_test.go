package secrets

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

func TestSecretFileFaults(t *testing.T) {
	dir := t.TempDir()
	storetest.WriteFile(t, filepath.Join(dir, "empty"), " \n")
	storetest.WriteFile(t, filepath.Join(dir, "binary"), "s\x00e\x00c\x00")
	for _, test := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none"), "does not exist"},
		{"empty", filepath.Join(dir, "empty"), "holds no secret"},
		{"directory", dir, "it is a directory, not a file"},
		{"no text", filepath.Join(dir, "binary"), "it is not text; save it as UTF-8"},
	} {
		_, err := Ref{key: "client_secret", file: test.path}.Read()
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Text that shells and editors put around a secret (quotes, "export", a byte order mark) is
// reported, and neither sent nor shown, whether the secret is in a file, a variable or the
// configuration.
func TestMarkupAroundASecret(t *testing.T) {
	const hidden = "Wb7kjgTz-4711"
	path := filepath.Join(t.TempDir(), "secret")
	for _, row := range []struct{ text, want string }{
		{hidden, ""},
		{hidden + "\r\n", ""},
		{"\t" + hidden + "\u00a0", ""},
		{hidden + "=", ""},
		{"ABCD==", ""},
		{"\"" + hidden, ""},
		{"{" + hidden + "}x", ""},
		{hidden + "ä", ""},
		{"secret" + hidden, ""},
		{"my secret", ""},
		{"\"" + hidden + "\"\n", "quotes around it"},
		{"'" + hidden + "'", "quotes around it"},
		{"`" + hidden + "`", "quotes around it"},
		{hidden + "\nsecond", "more than one line"},
		{"# a comment\n" + hidden, "more than one line"},
		{hidden + "\rsecond", "more than one line"},
		{"CLIENT_SECRET=" + hidden, "a name before the secret"},
		{"client_secret: " + hidden, "a name before the secret"},
		{"export OCI=" + hidden, "a name before the secret"},
		{"set OCI=" + hidden, "a name before the secret"},
		{`{"client_secret":"` + hidden + `"}`, "an object of JSON"},
		{"\u200b" + hidden, "cannot be seen"},
		{hidden + "\x1b[0m", "cannot be seen"},
		{hidden + "\u202e", "cannot be seen"},
		{"p\xe4ss" + hidden, "not UTF-8"},
		{"-----BEGIN PRIVATE KEY-----\n" + hidden, "a key or a certificate"},
	} {
		storetest.WriteFile(t, path, row.text)
		t.Setenv("OCI_OIDC_TEST_SECRET", row.text)
		_, inFile := Ref{key: "client_secret", file: path}.Read()
		_, inVariable := Ref{key: "client_secret", env: "OCI_OIDC_TEST_SECRET"}.Read()
		_, written := Ref{key: "client_secret", text: secret.New(strings.TrimSpace(row.text))}.Read()
		for place, err := range map[string]error{"file": inFile, "variable": inVariable, "configuration": written} {
			if (err == nil) != (row.want == "") || err != nil && (!problem.Is(err, problem.Config) || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "-4711")) {
				t.Errorf("%q in a %s: %v, want %q", row.text, place, err, row.want)
			}
		}
	}
}

// PowerShell 5 writes UTF-16, and some editors a byte order mark.
func TestSecretFileInEveryEncoding(t *testing.T) {
	const text = "the-secret\r\n"
	path := filepath.Join(t.TempDir(), "secret")
	for name, written := range map[string]string{
		"UTF-8": text, "UTF-8 with a mark": "\ufeff" + text,
		"UTF-16, little": string(disktest.UTF16(text, binary.LittleEndian)), "UTF-16, big": string(disktest.UTF16(text, binary.BigEndian)),
	} {
		storetest.WriteFile(t, path, written)
		if read, err := (Ref{key: "client_secret", file: path}).Read(); err != nil || read.Reveal() != "the-secret" {
			t.Errorf("%s: %q, %v", name, read.Reveal(), err)
		}
	}
}

func FuzzRef(f *testing.F) {
	for _, seed := range []string{"the secret itself", "{file:~/.secrets/x}", "{file:", "{file: }", "{env:X}", "<your-secret>", "{file:../../x}", "{file:/a\x00b}"} {
		f.Add(seed)
	}
	home := f.TempDir()
	places := store.Places{Home: home}
	f.Fuzz(func(t *testing.T, value string) {
		c := &check.File{Path: filepath.Join(home, "project", "oci-auth.config.jsonc")}
		ref := Parse(places, c, "client_secret", value)
		if (len(c.Lines) > 0) != ref.None() && value != "" {
			t.Errorf("%q: %v, %v", value, c.Lines, ref)
		}
		if ref.File() != "" && !filepath.IsAbs(ref.File()) {
			t.Errorf("%q is the file %q", value, ref.File())
		}
		if _, err := os.Stat(ref.File()); ref.File() != "" && err == nil {
			return // what a fuzzer finds on this machine is not read
		}
		if read, err := ref.Read(); err == nil && ref.File() == "" && ref.Env() == "" && read.Reveal() != ref.text.Reveal() || err != nil && !problem.Is(err, problem.Config) {
			t.Errorf("%q: %v", value, err)
		}
	})
}

func TestSaveSecretKeepsAnExistingOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".secrets", "app")
	for _, step := range []struct {
		secret  string
		replace bool
		want    error
		holds   string
	}{{"a", false, nil, "a\n"}, {"a", false, nil, "a\n"}, {"b", false, fs.ErrExist, "a\n"}, {"b", true, nil, "b\n"}} {
		if err := Save(path, secret.New(step.secret), step.replace); !errors.Is(err, step.want) {
			t.Errorf("%+v: %v", step, err)
		}
		if text, _ := os.ReadFile(path); string(text) != step.holds {
			t.Errorf("%+v: %q", step, text)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
