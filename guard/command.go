package guard

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// denyShell judges the text of a shell command run in a directory, as far as a text
// can tell: the paths that it names, with quotes, variables, wildcards and cd as a
// shell understands them.
func (g *Guard) denyShell(text, directory string) string {
	return g.denyNested(text, directory, 0)
}

func (g *Guard) denyNested(text, directory string, nesting int) string {
	if nesting > 2 {
		return g.denyCode(text, directory)
	}
	commands, ok := readShell(text, g.variable)
	if !ok || runtime.GOOS == "windows" { // where it may be for PowerShell
		if reason := g.denyCode(text, directory); reason != "" {
			return reason
		}
	}
	feeds := strings.Contains(text, "xargs") || strings.Contains(text, "read ") || strings.Contains(text, "parallel")
	for _, command := range commands {
		if reason := g.denyCommand(command, directory, feeds, nesting); reason != "" {
			return reason
		}
		if name, args := command.name(); name == "cd" || name == "pushd" {
			if i := slices.IndexFunc(args, isOperand); i >= 0 && !strings.Contains(args[i], unknown) {
				directory = g.places.Expand(args[i], directory)
			} else if i < 0 && g.places.Home != "" {
				directory = g.places.Home
			}
		}
	}
	return ""
}

// variable is one of the environment, which the shell shares with the helper but
// for what OpenCode adds.
func (g *Guard) variable(name string) (string, bool) {
	if name == "HOME" && g.places.Home != "" {
		return g.places.Home, true
	}
	if name == "PWD" {
		return g.directory, true
	}
	return os.LookupEnv(name)
}

// wrappers run the command that follows them; keywords stand before one.
var wrappers = []string{
	"sudo", "doas", "env", "nohup", "nice", "time", "timeout", "command", "builtin", "exec", "stdbuf", "setsid", "busybox", "xargs",
	"if", "then", "else", "elif", "while", "until", "do", "!", "{", "}", "for", "in",
}

// name returns the name of the program, without its directory, and what follows it.
func (c shellCommand) name() (name string, args []string) {
	for i, word := range c.words {
		base := strings.TrimSuffix(strings.ToLower(path.Base(filepath.ToSlash(word))), ".exe")
		if variable, _, assigned := strings.Cut(word, "="); assigned && strings.IndexFunc(variable, notNameRune) < 0 ||
			slices.Contains(wrappers, base) || strings.HasPrefix(word, "-") || isDuration(word) {
			continue
		}
		return base, c.words[i+1:]
	}
	return "", nil
}

// isDuration tells the argument of timeout and nice.
func isDuration(word string) bool { return word == "" || word[0] >= '0' && word[0] <= '9' }

// readers only read the files that they name.
var readers = []string{
	"cat", "head", "tail", "less", "more", "bat", "grep", "egrep", "fgrep", "rg", "wc", "ls", "stat", "file", "diff", "jq", "test", "[", "[[",
	"find", "sort", "uniq", "cut", "nl", "echo", "printf", "realpath", "readlink", "basename", "dirname", "cd", "pushd", "git", "oci-oidc-helper",
}

// interpreters run code that is given in a word or in a here-document.
var interpreters = []string{
	"sh", "bash", "dash", "zsh", "ksh", "fish", "eval", "su", "ssh", "watch", "find", "xargs", "parallel", "python", "node", "nodejs", "bun", "deno",
	"perl", "ruby", "php", "lua", "awk", "gawk", "mawk", "sed", "tclsh", "osascript", "powershell", "pwsh", "cmd", "script", "expect", "vim", "vi",
	"ex", "ed", "emacs", "gdb", "lldb", "sqlite3", "psql", "docker", "podman", "make", "jq",
}

func interprets(name string) bool {
	return slices.Contains(interpreters, strings.TrimRight(name, "0123456789."))
}

func (g *Guard) denyCommand(c shellCommand, directory string, feeds bool, nesting int) string {
	name, args := c.name()
	for _, word := range slices.Concat(c.words, c.targets) {
		for _, candidate := range pathsIn(word) {
			if reason := g.denyShellPath(candidate, directory); reason != "" {
				return reason
			}
			if !slices.Contains(readers, name) || slices.Contains(c.targets, word) {
				if reason := g.denyWrite(placeOf(g.places.Expand(candidate, directory))); reason != "" {
					return reason
				}
			}
		}
	}
	if reason := g.denyHelper(c); reason != "" {
		return reason
	}
	if interprets(name) || slices.ContainsFunc(c.words, func(word string) bool { return interprets(word) }) {
		for _, code := range slices.Concat(args, c.heredocs) {
			if !strings.ContainsAny(code, " \t\n;|&()'\"`") {
				continue
			}
			if reason := g.denyNested(code, directory, nesting+1); reason != "" {
				return reason
			}
			if reason := g.denyCode(code, directory); reason != "" {
				return reason
			}
		}
	}
	return g.denyRecursion(name, args, directory, feeds)
}

// pathsIn returns the parts of a word that may be paths: all of it, and what follows
// = @ : , or a short option.
func pathsIn(word string) []string {
	if strings.HasPrefix(word, "--exclude") {
		return nil
	}
	parts := strings.FieldsFunc(word, func(c rune) bool { return strings.ContainsRune("=@:,", c) })
	if len(parts) != 1 || parts[0] != word {
		parts = append(parts, word)
	}
	if i := strings.IndexAny(word, "/~."); strings.HasPrefix(word, "-") && i > 0 {
		parts = append(parts, word[i:])
	}
	return slices.DeleteFunc(parts, func(part string) bool { return strings.Trim(part, unknown) == "" })
}

// denyShellPath judges a path that may have wildcards in it.
func (g *Guard) denyShellPath(name, directory string) string {
	name = strings.TrimPrefix(strings.ReplaceAll(name, unknown, "*"), "//")
	if strings.ContainsAny(name, "\n\x00") || len(name) > 4096 {
		return ""
	}
	for _, pattern := range expandBraces(g.places.Expand(name, directory)) {
		if len(literalPrefix(pattern)) == len(pattern) {
			if reason := g.denyPath(pattern, false); reason != "" {
				return reason
			}
			continue
		}
		if innards().MatchString(filepath.ToSlash(pattern)) {
			return reasonFor(name)
		}
		parts := strings.Split(strings.ToLower(filepath.ToSlash(g.resolvePattern(pattern))), "/")
		for _, kept := range g.kept {
			names := strings.Split(strings.ToLower(filepath.ToSlash(kept.path)), "/")
			if len(parts) >= len(names) && matchParts(parts[:len(names)], names, false) {
				return reasonFor(kept.path)
			}
		}
	}
	return ""
}

// denyCode judges code in some language by what in it looks like a path, and by the
// ends of the kept paths.
func (g *Guard) denyCode(code, directory string) string {
	lower := strings.ToLower(filepath.ToSlash(code))
	for _, kept := range g.kept {
		base, parent := filepath.Base(kept.path), filepath.Base(filepath.Dir(kept.path))
		if strings.Contains(lower, strings.ToLower(parent+"/"+base)) || base == ".secrets" && strings.Contains(lower, base) {
			return reasonFor(kept.path)
		}
	}
	for _, word := range strings.FieldsFunc(code, func(c rune) bool {
		return notNameRune(c) && !strings.ContainsRune(`/~.$*?{}-%+\:`, c)
	}) {
		if strings.ContainsAny(word, `/~`) || strings.Contains(word, config.Name) {
			word = os.Expand(word, func(name string) string {
				value, _ := g.variable(name)
				return value
			})
			if reason := g.denyShellPath(strings.ReplaceAll(word, "%", "*"), directory); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// personsCommands of oci-oidc-helper print a token, or change what only a person
// should. status, doctor, config, logs and version are for agents, too.
var personsCommands = []string{"token", "refresh", "connect", "logout", "init", "trust", "untrust", "--stdio"}

// denyHelper judges a command that runs oci-oidc-helper.
func (g *Guard) denyHelper(c shellCommand) string {
	for i, word := range c.words {
		base := strings.TrimSuffix(strings.ToLower(path.Base(filepath.ToSlash(word))), ".exe")
		if base != "oci-oidc-helper" && !isOurselves(word) {
			continue
		}
		args := slices.DeleteFunc(slices.Clone(c.words[i+1:]), func(arg string) bool { return arg == "config" })
		for j := 0; j < len(args); j++ {
			switch command := args[j]; {
			case command == "-C" || command == "--directory":
				j++
			case g.allowed && (command == "token" || command == "refresh"):
				return ""
			case slices.Contains(personsCommands, command):
				return fmt.Sprintf(`"oci-oidc-helper %s" is for the person: it shows a token or changes the sign-in. `+
					`Use the tools oci_oidc_status and oci_oidc_refresh, or ask the person to run it. `+
					`To let agents have tokens, a person sets allow_agent_token to true in %s.`, command, config.Name)
			case isOperand(command):
				j = len(args)
			}
		}
	}
	return ""
}

// isOurselves reports whether a word is a path of this program.
func isOurselves(word string) bool {
	own, err := os.Executable()
	return err == nil && filepath.IsAbs(word) && store.SamePath(word, own)
}

// isOperand reports whether an argument is no option.
func isOperand(arg string) bool { return !strings.HasPrefix(arg, "-") || arg == "-" }

// denyRecursion judges programs that read all that is in a directory.
func (g *Guard) denyRecursion(name string, args []string, directory string, feeds bool) string {
	has := func(short string, long ...string) bool {
		return slices.ContainsFunc(args, func(arg string) bool {
			return slices.Contains(long, arg) ||
				len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && strings.ContainsAny(arg[1:], short)
		})
	}
	descends, here, hidden := false, true, true
	switch name {
	case "grep", "egrep", "fgrep", "zgrep":
		descends = has("rR", "--recursive", "--dereference-recursive")
	case "rg", "ag", "ack", "ugrep":
		descends, hidden = true, has("u.", "--hidden", "--no-ignore", "--unrestricted")
	case "find", "fd", "fdfind":
		descends = feeds || slices.ContainsFunc(args, func(arg string) bool {
			return slices.Contains([]string{"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}, arg)
		})
	case "cp", "scp", "rsync", "diff":
		descends, here = has("arR", "--recursive", "--archive"), false
	case "tar", "bsdtar", "zip", "7z", "mv", "cpio", "pax", "ditto":
		descends, here = true, false
	}
	if !descends {
		return ""
	}
	var names, leftOut []string // what limits it
	for i, arg := range args {
		option, value, glued := strings.Cut(arg, "=")
		if !glued && i+1 < len(args) {
			value = args[i+1]
		}
		switch option {
		case "--include", "-name", "-iname", "--name":
			names = append(names, value)
		case "--exclude", "--exclude-dir":
			leftOut = append(leftOut, value)
		case "-g", "--glob":
			if rest, negated := strings.CutPrefix(value, "!"); negated {
				leftOut = append(leftOut, rest)
			} else {
				names = append(names, value)
			}
		}
	}
	from := []string{}
	for _, arg := range args {
		if path := g.places.Expand(arg, directory); isOperand(arg) && isDirectory(path) {
			from = append(from, path)
		}
	}
	if len(from) == 0 && here {
		from = append(from, directory)
	}
	matches := func(patterns []string, file string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			return matchName(pattern, filepath.Base(file)) || matchName(pattern, filepath.Base(filepath.Dir(file)))
		})
	}
	for _, root := range from {
		reason := g.denyDescent(root, func(file string) bool {
			rel, err := filepath.Rel(store.Resolve(root), file)
			isHidden := err == nil && (strings.HasPrefix(rel, ".") || strings.Contains(filepath.ToSlash(rel), "/."))
			return (hidden || !isHidden) && (names == nil || matches(names, file)) && !matches(leftOut, file)
		}, "an option")
		if reason != "" {
			return reason
		}
	}
	return ""
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
