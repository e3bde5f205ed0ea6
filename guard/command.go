package guard

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// denyShell judges the text of a shell command run in a directory, as far as a text
// can tell: the paths that it names, with quotes, variables, wildcards and cd as the
// shell understands them. A text that cannot be judged is denied.
func (g *Guard) denyShell(text, directory string) string {
	if g.windows {
		return g.denyWindows(text, directory, 0)
	}
	reason, err := g.judgeShell(text, directory, g.variable, 0)
	if err != nil {
		return fmt.Sprintf("opencode-oci-oidc cannot judge this command: %v. Write it in a simpler way, "+
			"and put long texts into files with the tool write.", err)
	}
	return reason
}

// judgeShell judges the text of a POSIX shell. Its error says why it cannot.
func (g *Guard) judgeShell(text, directory string, lookup func(string) (string, bool), nesting int) (reason string, err error) {
	feeds := strings.Contains(text, "xargs") || strings.Contains(text, "read ") || strings.Contains(text, "parallel")
	named := strings.Contains(strings.ToLower(text), "oci-oidc-helper") || strings.Contains(text, "OCI_OIDC_HELPER")
	s := &shell{lookup: lookup, absolute: g.absoluteIn, home: g.places.Home, directory: directory}
	s.judge = func(c command) string { return g.denyCommand(c, feeds, named, nesting) }
	return s.readShell(text)
}

// denyNested judges a text inside of a command that may be code of a shell.
func (g *Guard) denyNested(text string, c command, nesting int) string {
	switch {
	case nesting > 2:
	case g.windows:
		if reason := g.denyWindows(text, c.directory, nesting); reason != "" {
			return reason
		}
	default:
		if reason, err := g.judgeShell(text, c.directory, c.lookup, nesting); err == nil && reason != "" {
			return reason
		}
	}
	return g.denyCode(text, c.directory)
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

// wrappers run the command that follows them.
var wrappers = []string{
	"sudo", "doas", "env", "nohup", "nice", "time", "timeout", "command", "builtin", "exec", "stdbuf", "setsid", "busybox", "xargs", "call", "start",
}

// programOf returns the name of the program that a command runs, without its directory
// and in lower case, and what follows it.
func programOf(words []string) (name string, args []string) {
	for i, word := range words {
		base := baseName(word)
		if variable, _, assigned := strings.Cut(word, "="); assigned && syntax.ValidName(variable) ||
			slices.Contains(wrappers, base) || strings.HasPrefix(word, "-") || isDuration(word) {
			continue
		}
		return base, words[i+1:]
	}
	return "", nil
}

func baseName(word string) string {
	return strings.TrimSuffix(strings.ToLower(path.Base(slashed(word))), ".exe")
}

// isDuration tells the argument of timeout and nice.
func isDuration(word string) bool { return word == "" || word[0] >= '0' && word[0] <= '9' }

// readers only read the files that they name.
var readers = []string{
	"cat", "head", "tail", "less", "more", "bat", "grep", "egrep", "fgrep", "rg", "wc", "ls", "stat", "file", "diff", "jq", "test", "[", "[[",
	"find", "sort", "uniq", "cut", "nl", "echo", "printf", "realpath", "readlink", "basename", "dirname", "cd", "pushd", "git", "oci-oidc-helper", "for",
	"type", "gc", "get-content", "findstr", "select-string", "sls", "dir", "gci", "get-childitem", "gi", "get-item", "test-path", "resolve-path", "where",
	"sl", "set-location", "chdir", "push-location", "write-host", "write-output", "get-filehash", "fc", "join-path", "split-path",
}

// interpreters run code that is given in a word or in a here-document.
var interpreters = []string{
	"sh", "bash", "dash", "zsh", "ksh", "fish", "eval", "alias", "trap", "env", "time", "timeout", "sudo", "su", "ssh", "watch", "find", "xargs", "parallel", "python", "node", "nodejs", "bun", "deno",
	"perl", "ruby", "php", "lua", "awk", "gawk", "mawk", "sed", "tclsh", "osascript", "powershell", "pwsh", "cmd", "iex", "invoke-expression", "start-process", "saps", "invoke-command", "icm", "wsl", "forfiles", "script", "expect", "vim", "vi",
	"ex", "ed", "emacs", "gdb", "lldb", "sqlite3", "psql", "docker", "podman", "make", "jq",
}

func interprets(name string) bool {
	return slices.Contains(interpreters, strings.TrimRight(name, "0123456789."))
}

// denyCommand judges one command. feeds says that the output of one may be names for
// another, named that the text names oci-oidc-helper.
func (g *Guard) denyCommand(c command, feeds, named bool, nesting int) string {
	name, args := programOf(c.words)
	if reason := g.denyWords(c, name); reason != "" {
		return reason
	}
	if reason := g.denyHelper(c, named); reason != "" {
		return reason
	}
	if reason := g.denyFed(c, name); reason != "" {
		return reason
	}
	if interprets(name) || slices.ContainsFunc(c.words, interprets) {
		for _, code := range slices.Concat(args, c.words, c.input) {
			if !strings.ContainsAny(code, " \t\n;|&()'\"`") {
				continue
			}
			if reason := g.denyNested(code, c, nesting+1); reason != "" {
				return reason
			}
		}
	}
	return g.denyRecursion(name, args, c.directory, feeds)
}

// denyWords judges the paths in the words of a command.
func (g *Guard) denyWords(c command, name string) string {
	directories := []string{c.directory}
	for i, word := range c.words { // git -C, tar -C, make --directory
		if (word == "-C" || word == "--directory" || word == "--chdir") && i+1 < len(c.words) {
			directories = append(directories, g.absoluteIn(c.words[i+1], c.directory))
		}
		if rest, ok := strings.CutPrefix(word, "--directory="); ok {
			directories = append(directories, g.absoluteIn(rest, c.directory))
		}
	}
	reads := slices.Contains(readers, name)
	for i, word := range slices.Concat(c.words, c.targets) {
		written := i >= len(c.words) || !reads
		for _, candidate := range pathsIn(word) {
			for _, directory := range directories {
				if reason := g.denyShellPath(candidate, directory); reason != "" {
					return reason
				}
				if !written {
					continue
				}
				if reason := g.denyWrite(placeOf(g.absoluteIn(candidate, directory))); reason != "" {
					return reason
				}
			}
		}
	}
	return ""
}

// denyFed judges what xargs is given: each word of it takes the place of its {}, or
// follows its command.
func (g *Guard) denyFed(c command, name string) string {
	at := slices.IndexFunc(c.words, func(word string) bool { return baseName(word) == "xargs" })
	if at < 0 {
		return ""
	}
	mark := "{}"
	for i, word := range c.words {
		if rest, ok := strings.CutPrefix(word, "-I"); ok && i > at {
			if mark = rest; rest == "" && i+1 < len(c.words) {
				mark = c.words[i+1]
			}
		}
	}
	fed := []string{unknown}
	if c.input != nil {
		fed = strings.Fields(strings.Join(c.input, " "))
	}
	for _, one := range fed {
		filled := command{directory: c.directory, words: []string{one}}
		for _, word := range c.words[at+1:] {
			filled.words = append(filled.words, strings.ReplaceAll(word, mark, one))
		}
		if reason := g.denyWords(filled, name); reason != "" {
			return reason
		}
	}
	return ""
}

// pathsIn returns the parts of a word that may be paths: all of it, and what follows
// = @ : , or a short option.
func pathsIn(word string) []string {
	if strings.HasPrefix(word, "--exclude") {
		return nil
	}
	parts := []string{word}
	split := "=@:,"
	if strings.ContainsAny(word, " \t\n") { // a sentence, or a path with spaces
		split = "="
	}
	if more := strings.FieldsFunc(word, func(c rune) bool { return strings.ContainsRune(split, c) }); len(more) > 1 || split != "=" {
		parts = append(parts, more...)
	}
	if i := strings.IndexAny(word, `/~.\$%`); strings.HasPrefix(word, "-") && i > 0 {
		parts = append(parts, word[i:])
	}
	return slices.DeleteFunc(parts, func(part string) bool { return strings.Trim(part, unknown) == "" })
}

// denyShellPath judges a path that may have wildcards in it, or parts that are unknown.
func (g *Guard) denyShellPath(name, directory string) string {
	if !g.windows {
		name = strings.TrimPrefix(name, "//") // of file://
	}
	if strings.Contains(name, "\n") || len(name) > 4096 {
		return ""
	}
	if _, rest, ok := strings.Cut(slashed(name), unknown+"/"); ok && strings.HasPrefix(name, unknown) {
		for _, kept := range g.kept {
			if endsWhereBegins(slashed(kept.path), rest) {
				return cannotTell(name, kept.path)
			}
		}
	}
	full := g.absoluteIn(name, directory)
	if !strings.ContainsAny(full, "*?["+unknown) {
		return g.denyPath(full, false)
	}
	if innards().MatchString(slashed(strings.ReplaceAll(full, unknown, "*"))) {
		return reasonFor(strings.ReplaceAll(name, unknown, "…"))
	}
	parts := strings.Split(slashed(g.resolvePattern(full)), "/")
	for n := 1; n <= len(parts); n++ {
		matches := g.wildcards(strings.Join(parts[:n], "/"))
		for _, kept := range g.kept {
			switch {
			case !matches(slashed(kept.path)):
			case strings.Contains(name, unknown):
				return cannotTell(name, kept.path)
			default:
				return reasonFor(kept.path)
			}
		}
	}
	return ""
}

func cannotTell(name, kept string) string {
	return fmt.Sprintf("opencode-oci-oidc cannot tell whether %s is %s, which may hold a secret. Write the path out.",
		strings.ReplaceAll(name, unknown, "…"), kept)
}

// endsWhereBegins reports whether a path's last names are the first ones of another: in
// $x/.secrets/other, nobody knows what is before .secrets.
func endsWhereBegins(path, other string) bool {
	names, others := strings.Split(path, "/"), strings.Split(other, "/")
	for n := 1; n <= min(len(names), len(others)); n++ {
		if slices.EqualFunc(names[len(names)-n:], others[:n], strings.EqualFold) {
			return true
		}
	}
	return false
}

// wildcards returns what reports whether a path matches a shell's pattern. In a POSIX
// shell, a wildcard does not match a leading dot; what is unknown may be one.
func (g *Guard) wildcards(text string) func(path string) bool {
	mode := pattern.Filenames | pattern.EntireString | pattern.NoGlobCase
	if g.windows {
		mode |= pattern.GlobLeadingDot
	}
	expression, err := pattern.Regexp(text, mode)
	if err != nil {
		return func(string) bool { return false }
	}
	matcher, err := regexp.Compile(strings.ReplaceAll(expression, unknown, "[^/]*"))
	if err != nil {
		return func(string) bool { return false }
	}
	return matcher.MatchString
}

// denyCode judges code in some language by what in it looks like a path, and by the
// ends of the kept paths.
func (g *Guard) denyCode(code, directory string) string {
	lower := strings.ToLower(slashed(code))
	for _, kept := range g.kept {
		base, parent := filepath.Base(kept.path), filepath.Base(filepath.Dir(kept.path))
		if strings.Contains(lower, strings.ToLower(parent+"/"+base)) || base == ".secrets" && strings.Contains(lower, base) {
			return reasonFor(kept.path)
		}
	}
	for _, word := range strings.FieldsFunc(code, func(c rune) bool {
		return c != '_' && !strings.ContainsRune(`/~.$*?{}-%+\:`, c) && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	}) {
		if strings.ContainsAny(word, `/~\`) || strings.Contains(word, config.Name) {
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
func (g *Guard) denyHelper(c command, named bool) string {
	for i, word := range c.words {
		if baseName(word) != "oci-oidc-helper" && !isOurselves(word) && !(named && word == unknown && i+1 < len(c.words)) {
			continue
		}
		args := slices.DeleteFunc(slices.Clone(c.words[i+1:]), func(arg string) bool { return arg == "config" })
		for j := 0; j < len(args); j++ {
			switch command := args[j]; {
			case command == "-C" || command == "--directory":
				j++
			case strings.Contains(command, unknown) && isOperand(command):
				return "opencode-oci-oidc cannot tell which command of oci-oidc-helper this is. Write it out."
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
	case "robocopy", "xcopy", "findstr":
		descends, here = has("", "/s", "/e", "/mir", "/S", "/E", "/MIR"), false
	case "copy-item", "cpi", "copy":
		descends, here = has("rR"), false
	case "dir", "ls", "gci", "get-childitem":
		descends = feeds && has("rRs", "/s", "/S")
	case "tar", "bsdtar", "zip", "7z", "mv", "cpio", "pax", "ditto", "compress-archive", "move", "move-item", "mi":
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
		if g.windows { // findstr and xcopy take a pattern
			arg = cmp.Or(strings.TrimRight(slashed(arg), "*./"), ".")
		}
		if path := g.absoluteIn(arg, directory); isOperand(arg) && (g.windows && !strings.Contains(arg, unknown) || isDirectory(path)) {
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
			isHidden := err == nil && (strings.HasPrefix(rel, ".") || strings.Contains(slashed(rel), "/."))
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
