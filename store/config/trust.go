package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
)

// A Trust says what a key can do in a project's configuration, which somebody else may have
// written. The person confirms a digest of all keys except the harmless ones, so a key
// without a classification must be confirmed, too.
type Trust int

// What a key can do.
const (
	_               Trust = iota
	TrustValue            // the digest has its value
	TrustSecret           // a secret: {file:PATH}, {env:NAME}, or the text itself, which is then the author's own secret
	TrustSecretFile       // the path of a file with a secret
	TrustContent          // the path of a file whose content is in the digest
	TrustWritten          // the path of a file that is written
	TrustOwn              // only allowed in the person's own configuration
	TrustHarmless         // may change without a confirmation
)

// An Unconfirmed is a valid configuration in a project directory that the person has not
// confirmed. It is the cause of a problem of kind Untrusted.
type Unconfirmed struct {
	Config  Config // to show to the person; not to be used
	Digest  string // of everything that must be confirmed
	Changed bool   // the person has confirmed an earlier content of the file
}

func (u *Unconfirmed) Error() string { return "not confirmed: " + u.Digest }

// AsUnconfirmed returns the unconfirmed configuration that is err's cause, or nil.
func AsUnconfirmed(err error) *Unconfirmed {
	var u *Unconfirmed
	_ = errors.As(err, &u)
	return u
}

// Domain returns the origin of the domain at which the configuration signs in.
func (u *Unconfirmed) Domain() string { return u.Config.DomainURL }

// Endpoints returns the origins to which the configuration sends the token and the prompts.
func (u *Unconfirmed) Endpoints() (origins []string) {
	for _, endpoint := range u.Config.Endpoints() {
		if origin := endpoint.Origin(); !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return origins
}

// Endpoint returns Endpoints as one text.
func (u *Unconfirmed) Endpoint() string { return strings.Join(u.Endpoints(), " and ") }

func (u *Unconfirmed) problem(p store.Places) *problem.Problem {
	what := "is not confirmed"
	if u.Changed {
		what = "has changed since you confirmed it"
	}
	hint := fmt.Sprintf(`If you trust both, confirm it: "opencode auth login -p oci-oidc" or "oci-oidc-helper config trust" in %s. `+
		"If you do not know why it is there, remove it.", filepath.Dir(u.Config.Path))
	if p.TrustedProject != "" {
		hint += fmt.Sprintf(" (OCI_OIDC_TRUST_PROJECT does not hold for it: it is %s, and must name this directory with its whole path, "+
			"and the file must be no link, and be yours alone to write.)", p.TrustedProject)
	}
	return problem.New(problem.Untrusted, fmt.Sprintf("The project's configuration %s %s: it signs in at %s and sends the token to %s.",
		u.Config.Path, what, u.Domain(), u.Endpoint()), hint).Because(u)
}

// ParseProject parses and checks the text of a configuration at path in a project directory.
// It is accepted if it is the person's own, says the same as their own, or was confirmed; and
// then as a whole: one key that refuseNetwork or confine refuses, refuses the file. Which keys
// those look at, and which a person confirms (digest), is in the column Trust of [Keys]. The
// errors are those of [Load].
func ParseProject(p store.Places, path string, text []byte) (Config, error) {
	if Own(p, path) {
		return parseConfig(p, path, text)
	}
	// Parsed as the person's own only for the comparison. Its mistakes must not be reported from
	// here: they could quote any variable of the environment.
	if config, check, file := parse(p, path, text, true); len(check.Lines) == 0 && digest(p, check, file) == ownDigest(p) {
		return config, nil
	}
	config, check, file := parse(p, path, text, false)
	if check.Broken {
		return Config{}, check.Problem()
	}
	if refuseNetwork(p, check, file); len(check.Lines) > 0 {
		return Config{}, check.Problem()
	}
	confine(p, check, file)
	if refuseLog(p, check, config); len(check.Lines) > 0 {
		return Config{}, check.Problem()
	}
	config, sum := config.confined(p), digest(p, check, file)
	if trustsDirectory(p, path) || confirmed(p, sum) {
		return config, nil
	}
	u := &Unconfirmed{Config: config, Digest: sum, Changed: confirmedBefore(p, path)}
	return Config{}, u.problem(p)
}

// digest returns a checksum of the keys that must be confirmed: all that differ from their
// defaults, without the harmless ones and those that an administrator decides. Since defaults
// do not count, digests stay the same when a later version adds a key.
func digest(p store.Places, c *check.File, file *configFile) string {
	path := c.Path
	defaults := defaults()
	said := map[string]any{}
	values, usual := check.Fields(file), check.Fields(&defaults)
	for _, key := range Keys {
		value := values[key.Name].Interface()
		if key.Trust == TrustHarmless || c.Decided(key.Name) || reflect.DeepEqual(value, usual[key.Name].Interface()) {
			continue
		}
		text, _ := value.(string)
		switch reads, _ := key.file(text); {
		case key.Trust == TrustSecret && reads == "" && !strings.HasPrefix(text, "{"):
			value = "text"
		case key.Trust == TrustContent:
			value = []string{p.Expand(reads, filepath.Dir(path)), contentSum(p, path, p.Expand(reads, filepath.Dir(path)))}
		case reads != "":
			value = p.Expand(reads, filepath.Dir(path))
		}
		said[key.Name] = value
	}
	canonical, _ := json.Marshal(said) // Marshal sorts the keys
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// contentSum returns a checksum of the content of a file that a configuration names, or ""
// if it cannot be read. It does not open files on other machines, which only the person's own
// configuration may name.
func contentSum(p store.Places, config, path string) string {
	if overNetwork(p, config, path) {
		return ""
	}
	text, err := regular.Read(path, network.MaxFileSize)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// file returns the path that a value of the key names, not expanded, or "". written says
// that the helper writes to the file.
func (k Key) file(value string) (path string, written bool) {
	switch k.Trust {
	case TrustSecret:
		if file, ok := check.Reference(value, "file"); ok {
			return file, false
		}
		return "", false
	case TrustSecretFile, TrustContent:
		return value, false
	case TrustWritten:
		return value, true
	default:
		return "", false
	}
}

// overNetwork reports whether a path in a configuration is on another machine, or a device.
// It only looks at the text of the path: on Windows, a mere stat of \\host\share connects to
// the host and can send it the person's credentials. Paths in the project and in the home
// directory do not count, because those are in use anyway.
func overNetwork(p store.Places, config, path string) bool {
	return disk.OverNetwork(path) && !store.Within(path, filepath.Dir(config)) && !store.Within(path, p.Home)
}

// refuseNetwork reports the keys of a project's configuration that name files on another
// machine. It must be called before anything opens those files.
func refuseNetwork(p store.Places, c *check.File, file *configFile) {
	values := check.Fields(file)
	for _, key := range Keys {
		if c.Decided(key.Name) {
			continue
		}
		text, _ := values[key.Name].Interface().(string)
		if path, _ := key.file(text); path != "" && overNetwork(p, c.Path, p.Expand(path, filepath.Dir(c.Path))) {
			c.Add(key.Name, fmt.Sprintf("names %s, and a project's configuration may name no file on another machine; "+
				"copy the file into the project, or write this in your own configuration", path))
		}
	}
}

// confine reports the keys with which a project's configuration names what it may not: files
// outside the project and ~/.secrets, and variables of other programs.
func confine(p store.Places, c *check.File, file *configFile) {
	values := check.Fields(file)
	for _, key := range Keys {
		if c.Decided(key.Name) {
			continue
		}
		text, _ := values[key.Name].Interface().(string)
		if key.Trust == TrustOwn && c.Has(key.Name) {
			c.Add(key.Name, "is for your own configuration alone; write it there")
		}
		path, written := key.file(text)
		switch name, isEnv := check.Reference(text, "env"); {
		case key.Trust == TrustSecret && isEnv && !check.MayUse(name):
			c.Add(key.Name, check.ForeignVariable)
		case path == "" || key.Trust == TrustContent: // which is confirmed itself
		case written && !mayWrite(p, c.Path, path):
			c.Add(key.Name, fmt.Sprintf("names %s, and a project's configuration may put the log only into the project; "+
				"write it in your own configuration, or remove it", p.Expand(path, filepath.Dir(c.Path))))
		case !written && !secrets.CageOf(p, c.Path).Holds(p.Expand(path, filepath.Dir(c.Path))):
			c.Add(key.Name, fmt.Sprintf("names %s, and a project's configuration may read only the project's own files and those in ~/.secrets; "+
				"put the file there, or write this in your own configuration", p.Expand(path, filepath.Dir(c.Path))))
		}
	}
}

// mayWrite reports whether a project's configuration may place the log at path.
func mayWrite(p store.Places, config, path string) bool {
	path = p.Expand(path, filepath.Dir(config))
	return path == p.LogFile || secrets.CageOf(p, config).HasInProject(path)
}

// confined returns the configuration with its limits attached, which are checked again when
// its files are read and written: secrets and log must be inside the cage, and ca_file must
// have the content that was confirmed.
func (c Config) confined(p store.Places) Config {
	if !c.managed("client_secret") {
		c.ClientSecret = c.ClientSecret.Within(secrets.CageOf(p, c.Path))
	}
	if !c.managed("client_key") {
		c.ClientKey = c.ClientKey.Within(secrets.CageOf(p, c.Path))
	}
	if c.LogFile != p.LogFile && !c.managed("log_file") {
		c.LogFile, c.LogBound = store.Resolve(c.LogFile), true
	}
	if c.Network.CAFile != "" && !c.managed("ca_file") {
		c.Network.CASum = cmp.Or(contentSum(p, c.Path, c.Network.CAFile), "unreadable") // matches no file
	}
	return c
}

// Own reports whether path is in the person's own configuration directories, or the
// administrator's.
func Own(p store.Places, path string) bool {
	return slices.ContainsFunc(ownDirs(p), func(dir string) bool { return store.SamePath(dir, filepath.Dir(path)) })
}

// ownDirs returns the directories whose configuration needs no confirmation, in the order of
// precedence.
func ownDirs(p store.Places) []string {
	if p.ManagedDir == "" {
		return p.ConfigDirs
	}
	return append(slices.Clone(p.ConfigDirs), p.ManagedDir)
}

// ownDigest returns the digest of the configuration that would be used without a project's,
// or "".
func ownDigest(p store.Places) string {
	for _, dir := range ownDirs(p) {
		path := filepath.Join(dir, Name)
		text, err := regular.ReadText(path, check.MaxSize)
		if err != nil {
			continue
		}
		config, check, file := parse(p, path, text, true)
		if refuseLog(p, check, config); len(check.Lines) > 0 {
			return ""
		}
		return digest(p, check, file)
	}
	return ""
}

// trustsDirectory reports whether OCI_OIDC_TRUST_PROJECT names the directory of the
// configuration at path. It does not apply to a link or a file that others can write,
// because the content could be anybody's.
func trustsDirectory(p store.Places, path string) bool {
	if !filepath.IsAbs(p.TrustedProject) || store.Resolve(p.TrustedProject) != store.Resolve(filepath.Dir(path)) {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && store.Foreign(path, info) == ""
}

// trustedDir returns the directory with a file for each confirmed digest.
func trustedDir(p store.Places) string { return filepath.Join(p.StateDir, "trusted") }

// A confirmation is the content of such a file, for people to read. Only the file's name
// counts.
type confirmation struct {
	Path        string    `json:"path"`
	Domain      string    `json:"domain"`
	Endpoint    string    `json:"endpoint"`
	ConfirmedAt time.Time `json:"confirmedAt"`
}

func confirmed(p store.Places, digest string) bool {
	if p.StateDir == "" {
		return false
	}
	info, err := os.Lstat(filepath.Join(trustedDir(p), digest+".json"))
	return err == nil && info.Mode().IsRegular()
}

// confirmedBefore reports whether any content of the file at path was confirmed.
func confirmedBefore(p store.Places, path string) bool {
	return len(confirmations(p, path)) > 0
}

// confirmations returns the files in trustedDir for the configuration at path.
func confirmations(p store.Places, path string) (files []string) {
	all, _ := filepath.Glob(filepath.Join(trustedDir(p), "*.json"))
	for _, file := range all {
		var c confirmation
		text, err := regular.Read(file, check.MaxSize)
		if err == nil && json.Unmarshal(text, &c) == nil && c.Path == path {
			files = append(files, file)
		}
	}
	return files
}

// Confirm saves that the person trusts the configuration with this digest, at any path. Its
// error is a problem of kind Store.
func Confirm(p store.Places, u *Unconfirmed) error {
	err := store.ErrNoHome
	if p.StateDir != "" && p.Outside(filepath.Dir(u.Config.Path)).StateDir == "" {
		err = errors.New("that is in the project itself")
	} else if p.StateDir != "" {
		text, _ := json.MarshalIndent(confirmation{u.Config.Path, u.Domain(), u.Endpoint(), time.Now().UTC().Truncate(time.Second)}, "", "  ")
		err = store.Replace(filepath.Join(trustedDir(p), u.Digest+".json"), append(text, '\n'))
	}
	if err != nil {
		wrong := store.NotWritten("The confirmation could not be saved in "+trustedDir(p), err)
		wrong.Hint += " Or set OCI_OIDC_TRUST_PROJECT to the project's directory."
		return wrong
	}
	return nil
}

// Forget removes the confirmations for the configuration at path, and reports whether there
// were any.
func Forget(p store.Places, path string) (bool, error) {
	files := confirmations(p, path)
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return true, problem.New(problem.Store, fmt.Sprintf("The confirmation %s could not be removed: %s.", file, store.PlainCause(err)),
				"Delete the file by hand.").Because(err)
		}
	}
	return len(files) > 0, nil
}
