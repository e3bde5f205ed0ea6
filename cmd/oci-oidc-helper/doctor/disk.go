package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func checkStateDir(_ context.Context, sys *system) Finding {
	const inMemory = "Name a directory that you can write to in XDG_STATE_HOME; until then each process has a session of its own, in memory."
	dir := sys.Places.StateDir
	if dir == "" {
		return warn("There is no home directory, so that no tokens can be saved.", inMemory)
	}
	info, err := os.Stat(dir)
	switch writable := store.Writable(dir); {
	case errors.Is(err, fs.ErrNotExist) && writable != nil:
		return warn(fmt.Sprintf("The tokens' directory %s cannot be made.", dir), inMemory)
	case errors.Is(err, fs.ErrNotExist):
		return ok(dir + " is made at the first sign-in")
	case err != nil:
		return fail(problem.Store, fmt.Sprintf("The tokens' directory %s cannot be read.", dir), "Make it readable and writable by you.")
	case !info.IsDir():
		return fail(problem.Store, dir+" is in the way: it is not a directory.", "Move it away.")
	case writable != nil:
		return warn(fmt.Sprintf("The tokens' directory %s cannot be written to.", dir), inMemory)
	}
	others, known := store.Readers(dir) // before it is made private below
	if others != "" {
		return warn(fmt.Sprintf("The tokens' directory %s is open to others (%s).", dir, others), "Run: "+store.MakePrivate(dir))
	}
	if sys.config != nil {
		// A disk that takes an empty file may still have no room for tokens.
		if err := tokens.Open(sys.Places, *sys.config).CheckWritable(); err != nil && !tokens.KeyringFault(err) {
			full := problem.From(err)
			return warn(full.Message, full.Hint)
		}
	}
	if !known {
		return ok(dir)
	}
	return ok(dir + ", yours alone")
}

func checkSavedTokens(_ context.Context, sys *system) Finding {
	file := tokens.Open(sys.Places, *sys.config)
	tokens, _, err := file.Load()
	if err != nil {
		return failWith(sys, err)
	}
	sys.saved = tokens
	if tokens.Empty() {
		return ok("none are saved for this domain, client, scope and method")
	}
	if others, _ := store.Readers(file.Path()); others != "" {
		return warn(fmt.Sprintf("The saved tokens %s are readable by others (%s).", file.Path(), others), "Run: "+store.MakePrivate(file.Path()))
	}
	if file.Encrypted() {
		return ok(file.Path() + ", encrypted")
	}
	return ok(file.Path())
}

func checkKeyring(_ context.Context, sys *system) Finding {
	began := time.Now()
	file := tokens.Open(sys.Places, *sys.config)
	state, err := file.CheckKeyring()
	took := time.Since(began).Round(time.Millisecond)
	auto := sys.config.TokenStore == config.AutoStore
	switch {
	case err != nil && auto && !file.Encrypted():
		return ok("token_store is auto: the next sign-in saves the tokens in the file, if the keyring is not there then. " + problem.From(err).Message)
	case err != nil:
		return failWith(sys, err)
	case state == tokens.KeyringUnused && auto:
		return ok("not used: token_store is auto. " + file.WhyPlain())
	case state == tokens.KeyringUnused:
		return ok("not used: token_store is file")
	case state == tokens.KeyringHasKey:
		return ok(fmt.Sprintf("answers, and holds the key of the saved tokens; asked in %s", took))
	default:
		return ok(fmt.Sprintf("answers; the key is made when tokens are saved; asked in %s", took))
	}
}

func checkLock(_ context.Context, sys *system) Finding {
	switch {
	case store.Writable(sys.Places.StateDir) != nil:
		return skip("none, since no tokens can be saved")
	case tokens.Open(sys.Places, *sys.config).Stamp().Gone():
		return ok("is made at the first sign-in")
	}
	unlock, free, err := tokens.Open(sys.Places, *sys.config).TryLock()
	switch {
	case err != nil:
		return failWith(sys, err)
	case !free:
		return warn("Another process holds the lock of the session just now.",
			"If that stays so, a helper hangs: end OpenCode's windows, or the process oci-oidc-helper.")
	}
	unlock()
	return ok("free")
}

// logDetails is how many warnings and errors of the log are shown.
const logDetails = 3

func checkLog(_ context.Context, sys *system) Finding {
	path := sys.Places.LogFile
	if sys.config != nil {
		path = sys.config.LogFile
	}
	if path == "" {
		return warn("There is no log, since there is no home directory.", "Name a place for it with log_file.")
	}
	if wrong := logging.Check(path); wrong != "" {
		return warn(wrong, "Make it a file that you can write to, or name another place with log_file.")
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist) && store.Writable(filepath.Dir(path)) == nil:
		return ok(path + " is made when there is something to write")
	case err != nil:
		return warn(fmt.Sprintf("The log %s cannot be written.", path), "Make it writable by you, or name another place with log_file.")
	case !info.Mode().IsRegular():
		return ok(path + ", where nothing is kept")
	}
	if others, _ := store.Readers(path); others != "" {
		return warn(fmt.Sprintf("The log %s is readable by others (%s).", path, others), "Run: "+store.MakePrivate(path))
	}
	found := ok(path)
	if last := lastTroubles(path); len(last) > 0 {
		found.Message += "; its last problems:"
		found.Details = last
	}
	return found
}

// lastTroubles returns the last warnings and errors of a log.
func lastTroubles(path string) []string {
	last := slices.DeleteFunc(lastLines(path, 500), func(line string) bool {
		return !strings.Contains(line, " level=WARN ") && !strings.Contains(line, " level=ERROR ")
	})
	return last[max(0, len(last)-logDetails):]
}

// lastLines returns the last lines of a file. It reads at most the last MiB.
func lastLines(path string, most int) []string {
	lines := strings.Split(strings.TrimSuffix(string(logging.Tail(path, 1<<20)), "\n"), "\n")
	return lines[max(0, len(lines)-most):]
}
