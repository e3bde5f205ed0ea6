package guard

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard/shell"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// denyShell judges a shell command that will run in a directory, without running it: it finds
// the paths in the text, and understands quotes, variables, wildcards and cd like the shell.
// A text that cannot be judged is denied.
func (g *Guard) denyShell(text, directory string) string {
	reason, err := g.judge(text, []string{directory}, g.variable, 0)
	if err != nil {
		return shell.CannotJudge(err.Error())
	}
	return reason
}

// maxShells is the number of shells that may run in one another: sh -c "sh -c '...'".
const maxShells = 5

// judge judges a text for the shells of this platform that may run in one of the directories,
// most likely the first. Its error is that of a text that cannot be parsed.
func (g *Guard) judge(text string, directories []string, lookup func(string) (string, bool), nesting int) (reason string, err error) {
	switch {
	case len(text) > shell.MaxText:
		return shell.CannotJudge(shell.TooLong), nil
	case nesting > maxShells:
		return shell.CannotJudge(shell.TooDeep), nil
	case g.windows:
		return g.denyWindows(text, directories, nesting), nil
	default:
		return g.judgePOSIX(text, directories, lookup, nesting)
	}
}

// stop returns the reason for denying a command after the time for judging it, or "".
func (g *Guard) stop() string {
	if time.Now().After(g.until) {
		return shell.CannotJudge("it takes too long")
	}
	return ""
}

// judgePOSIX judges a text for a POSIX shell. Its error is that of a text that cannot be
// parsed.
func (g *Guard) judgePOSIX(text string, directories []string, lookup func(string) (string, bool), nesting int) (reason string, err error) {
	feeds := expressions().feedsNames.MatchString(text)
	named := strings.Contains(strings.ToLower(text), "oci-oidc-helper") || strings.Contains(text, "OCI_OIDC_HELPER")
	return shell.Reader{
		Lookup: lookup, Absolute: g.absoluteIn, Home: g.places.Home, Directory: directories[0], Elsewhere: directories[1:], Stop: g.stop,
		Judge: func(c shell.Command) string { return g.denyCommand(c, feeds, named, nesting) },
	}.POSIX(text)
}

// denyNested judges an argument that may be code, for a shell or in another language.
func (g *Guard) denyNested(text string, c shell.Command, directories []string, nesting int) string {
	reason, _ := g.judge(text, directories, c.Lookup, nesting)
	return cmp.Or(reason, g.denyCode(text, c.Directory))
}

// denyWindows judges a text for PowerShell, cmd or Git Bash. It is not known which of them
// runs the text, so the text is denied if it is denied for any of them. Texts that cannot be
// parsed are judged by the words and paths in them.
func (g *Guard) denyWindows(text string, directories []string, nesting int) string {
	if reason, _ := g.judgePOSIX(text, directories, g.variable, nesting); reason != "" {
		return reason
	}
	lower := strings.ToLower(text)
	g.feeds = g.feeds || expressions().listsForReader.MatchString(lower) || slices.ContainsFunc([]string{"get-content", "gc", "type", "cat", "select-string", "sls", "foreach", "%", "copy", "cpi", "for "}, func(reader string) bool {
		_, after, piped := strings.Cut(lower, "|")
		return piped && strings.Contains(after, reader) || reader == "for " && strings.HasPrefix(lower, reader)
	})
	named := strings.Contains(lower, "oci-oidc-helper") || strings.Contains(lower, "oci_oidc_helper")
	reader := shell.Reader{
		Lookup:   func(name string) (string, bool) { return g.windowsVariable(name, directories[0]) },
		Absolute: g.absoluteIn, Home: g.places.Home, Directory: directories[0], Elsewhere: directories[1:], Stop: g.stop,
		Judge: func(c shell.Command) string { return g.denyCommand(c, g.feeds, named, nesting) },
		Nested: func(text, directory string, elsewhere []string) string {
			reason, _ := g.judge(text, append([]string{directory}, elsewhere...), nil, nesting+1)
			return reason
		},
	}
	return cmp.Or(reader.Windows(text, false), reader.Windows(text, true))
}

// windowsVariable returns a variable of the environment or the shell. Those for the home and
// its folders have a value even if the environment does not, as on other platforms.
func (g *Guard) windowsVariable(name, directory string) (string, bool) {
	home := shell.Slashed(g.places.Home)
	switch strings.ToLower(name) {
	case "home", "userprofile":
		return home, home != ""
	case "homedrive":
		return home[:min(2, len(home))], home != ""
	case "homepath":
		return home[min(2, len(home)):], home != ""
	case "cd", "pwd":
		return directory, true
	}
	if text, set := os.LookupEnv(strings.ToUpper(name)); set {
		return text, true
	}
	switch strings.ToLower(name) {
	case "appdata":
		return home + "/AppData/Roaming", home != ""
	case "localappdata":
		return home + "/AppData/Local", home != ""
	}
	return "", false
}

// variable returns an environment variable. The shell has the same environment as the helper,
// except for what OpenCode adds.
func (g *Guard) variable(name string) (string, bool) {
	if name == "HOME" && g.places.Home != "" {
		return g.places.Home, true
	}
	if name == "PWD" {
		return g.directory, true
	}
	return os.LookupEnv(name)
}

// readers are commands that only read the files in their arguments.
var readers = []string{
	"cat", "head", "tail", "less", "more", "bat", "grep", "egrep", "fgrep", "rg", "wc", "ls", "stat", "file", "diff", "jq", "test", "[", "[[",
	"find", "sort", "uniq", "cut", "nl", "echo", "printf", "realpath", "readlink", "basename", "dirname", "cd", "pushd", "git", "oci-oidc-helper", "for",
	"type", "gc", "get-content", "findstr", "select-string", "sls", "dir", "gci", "get-childitem", "gi", "get-item", "test-path", "resolve-path", "where",
	"sl", "set-location", "chdir", "push-location", "write-host", "write-output", "get-filehash", "fc", "split-path", "join-path",
	"[io.file]::readalltext", "[system.io.file]::readalltext",
}

// interpreters are commands that run code from an argument or a here-document.
var interpreters = []string{
	"sh", "bash", "dash", "zsh", "ksh", "fish", "eval", "alias", "trap", "env", "time", "timeout", "sudo", "su", "ssh", "watch", "find", "xargs", "parallel", "python", "node", "nodejs", "bun", "deno",
	"perl", "ruby", "php", "lua", "awk", "gawk", "mawk", "sed", "tclsh", "osascript", "powershell", "pwsh", "cmd", "iex", "invoke-expression", "start-process", "saps", "invoke-command", "icm", "wsl", "forfiles", "script", "expect", "vim", "vi",
	"ex", "ed", "emacs", "gdb", "lldb", "sqlite3", "psql", "docker", "podman", "make", "flock", "tmux", "screen", "at", "crontab", "npx", "complete", "jq", "for", "wmic", "schtasks", "mshta", "new-scheduledtaskaction",
}

func interprets(name string) bool {
	return slices.Contains(interpreters, strings.TrimRight(name, "0123456789."))
}

// denyCommand judges one command of a text. feeds reports whether the text passes the output
// of one command as file names to another (xargs, for example), named whether the text
// contains the name oci-oidc-helper.
func (g *Guard) denyCommand(c shell.Command, feeds, named bool, nesting int) string {
	name, args := shell.ProgramOf(c.Words)
	directories := g.directoriesOf(c)
	g.dots = g.dots || slices.ContainsFunc(c.Words, func(word string) bool { return expressions().matchesDots.MatchString(word) })
	if reason := g.denyWords(c, name, directories); reason != "" {
		return reason
	}
	if reason := g.denyHelper(c, named); reason != "" {
		return reason
	}
	if reason := cmp.Or(g.denyFed(c, name), g.denyInput(c, name, directories)); reason != "" {
		return reason
	}
	if reason := g.denyCodeIn(c, name, directories, nesting); reason != "" {
		return reason
	}
	program := len(c.Words) - len(args) - 1
	for i, word := range c.Words {
		if i == program || i > program && !slices.Contains(readers, name) && slices.ContainsFunc(c.Words[i+1:], shell.IsOperand) { // an option of a wrapper may hide the program
			if reason := g.denyRecursion(shell.BaseName(word), c.Words[i+1:], directories, feeds || c.Feeds); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// denyCodeIn judges the code in the words and the input of a command, if any of its words is an
// interpreter.
func (g *Guard) denyCodeIn(c shell.Command, name string, directories []string, nesting int) string {
	isCode := name == "." || name == "source" || name == shell.Unknown && len(c.Input) > 0
	if !isCode && !slices.ContainsFunc(c.Words, func(word string) bool { return interprets(shell.BaseName(word)) }) {
		return ""
	}
	lookup := c.Lookup
	c.Lookup = func(name string) (string, bool) { // env x=y sh -c
		for _, word := range c.Words {
			if value, ok := strings.CutPrefix(word, name+"="); ok {
				return value, true
			}
		}
		return lookup(name)
	}
	for i, code := range slices.Concat(c.Words, c.Input) {
		if !strings.ContainsAny(code, " \t\n;|&()'\"`") {
			continue
		}
		if i > 1 && i < len(c.Words) && !g.windows && expressions().shellCode.MatchString(c.Words[i-2]+" "+c.Words[i-1]) {
			if _, err := g.judge(code, directories, c.Lookup, nesting+1); err != nil {
				return shell.CannotJudge(err.Error())
			}
		}
		if reason := g.denyNested(code, c, directories, nesting+1); reason != "" {
			return reason
		}
	}
	return ""
}

// directoriesOf returns the directories in which a command may work.
func (g *Guard) directoriesOf(c shell.Command) []string {
	directories := append([]string{c.Directory}, c.Elsewhere...)
	if slices.Contains(c.Words, "-execdir") || slices.Contains(c.Words, "-okdir") { // of find
		directories = append(directories, shell.Unknown)
	}
	for i, word := range c.Words { // git -C, tar -C, make --directory
		option := word == "-C" || word == "--directory" || word == "--chdir" || word == "--cd" || word == "--work-tree" || g.windows && slices.Contains([]string{"/d", "-workingdirectory", "-wd"}, strings.ToLower(word))
		if option && i+1 < len(c.Words) {
			directories = append(directories, g.absoluteIn(c.Words[i+1], c.Directory))
		}
		if match := expressions().directoryOption.FindStringSubmatch(word); match != nil {
			directories = append(directories, g.absoluteIn(match[1], c.Directory))
		}
	}
	return directories
}

// denyWords judges the paths in the words of a command that may work in several directories.
func (g *Guard) denyWords(c shell.Command, name string, directories []string) string {
	reads := slices.Contains(readers, name)
	for i, word := range slices.Concat(c.Words, c.Targets) {
		written := i >= len(c.Words) || !reads
		for _, candidate := range pathsIn(word) {
			for _, directory := range directories {
				candidate := candidate
				if directory == shell.Unknown {
					if directory = c.Directory; !strings.HasPrefix(candidate, "~") && !filepath.IsAbs(candidate) {
						candidate = shell.Unknown + "/" + candidate
					}
				}
				if reason := g.denyShellPath(candidate, directory); reason != "" {
					return reason
				}
				if !written {
					continue
				}
				written := g.look(g.absoluteIn(candidate, directory))[0]
				if reason := g.denyWrite(written); reason != "" {
					return reason
				}
				if reason := g.denyWriteBelow(written, c.Words); reason != "" {
					return reason
				}
			}
		}
	}
	return ""
}

// denyWriteBelow judges a directory into which a command may write a file with the name of one
// of its words: copy x\name directory.
func (g *Guard) denyWriteBelow(directory place, words []string) string {
	for _, file := range g.readOnly {
		named := slices.ContainsFunc(words, func(word string) bool {
			return matchValid(path.Base(shell.Slashed(word)), filepath.Base(file.path))
		})
		if named && directory.is(g.placeOf(filepath.Dir(file.path))) {
			return g.denyWrite(file)
		}
	}
	return ""
}

// denyFed judges the commands that xargs would run: each word of its input replaces {} in its
// arguments, or follows them.
func (g *Guard) denyFed(c shell.Command, name string) string {
	at := slices.IndexFunc(c.Words, func(word string) bool { return shell.BaseName(word) == "xargs" })
	if at < 0 {
		return ""
	}
	mark := "{}"
	for i, word := range c.Words {
		if rest, ok := strings.CutPrefix(word, "-I"); ok && i > at {
			if mark = rest; rest == "" && i+1 < len(c.Words) {
				mark = c.Words[i+1]
			}
		}
	}
	fed := []string{shell.Unknown}
	if c.Input != nil {
		fed = strings.Fields(strings.Join(c.Input, " "))
	}
	for _, one := range fed {
		filled := shell.Command{Directory: c.Directory, Words: []string{one}}
		for _, word := range c.Words[at+1:] {
			filled.Words = append(filled.Words, strings.ReplaceAll(word, mark, one))
		}
		if reason := g.denyWords(filled, name, []string{c.Directory}); reason != "" {
			return reason
		}
	}
	return ""
}

// inputNames are commands that take the lines of their input for paths, or put them into
// variables.
var inputNames = []string{"read", "mapfile", "readarray", "tar", "bsdtar", "cpio", "pax", "rsync", "zip"}

// denyInput judges the known input of a command that may be names of files. The shell expands
// no ~ in it.
func (g *Guard) denyInput(c shell.Command, name string, directories []string) string {
	takes := slices.Contains(inputNames, name)
	if !takes && !c.Feeds {
		return ""
	}
	for _, line := range strings.Split(strings.Join(c.Input, "\n"), "\n") {
		names := []string{line}
		if takes {
			names = append(names, strings.Fields(line)...)
		}
		for _, one := range names {
			for _, directory := range directories {
				if strings.Trim(one, " \t"+shell.Unknown) == "" || one[0] == '~' || directory == shell.Unknown {
					continue
				}
				if reason := g.denyShellPath(one, directory); reason != "" {
					return reason
				}
			}
		}
	}
	return ""
}

// pathsIn returns the parts of a word that may be paths: the whole word, and the parts after
// = @ : , + or a short option.
func pathsIn(word string) []string {
	if strings.HasPrefix(word, "--exclude") {
		return nil
	}
	parts := []string{word}
	split := "=@:,+"
	if strings.ContainsAny(word, " \t\n") { // a sentence, or a path with spaces
		split = "="
	}
	if more := strings.FieldsFunc(word, func(c rune) bool { return strings.ContainsRune(split, c) }); len(more) > 1 || split != "=" {
		parts = append(parts, more...)
	}
	if i := strings.IndexAny(word, `/~.\$%`); strings.HasPrefix(word, "-") && i > 0 {
		parts = append(parts, word[i:])
	}
	return slices.DeleteFunc(parts, func(part string) bool { return strings.Trim(part, shell.Unknown) == "" })
}

// denyShellPath judges a path that may contain wildcards or [shell.Unknown].
func (g *Guard) denyShellPath(name, directory string) string {
	if reason := g.stop(); reason != "" {
		return reason
	}
	if !g.windows {
		name = strings.TrimPrefix(name, "//") // of file://
	}
	if strings.Contains(name, "\n") || len(name) > 4096 {
		return ""
	}
	if _, rest, ok := strings.Cut(shell.Slashed(name), shell.Unknown+"/"); ok && strings.HasPrefix(name, shell.Unknown) {
		rest = strings.TrimPrefix(path.Clean("/"+rest), "/")
		for _, kept := range g.kept {
			if g.endsWhereBegins(shell.Slashed(kept.path), rest) {
				return cannotTell(name, kept.path)
			}
		}
	}
	full := g.absoluteIn(name, directory)
	if !strings.ContainsAny(full, "*?["+shell.Unknown) {
		return g.denyPath(full, false)
	}
	if expressions().processFiles.MatchString(shell.Slashed(strings.ReplaceAll(full, shell.Unknown, "*"))) {
		return reasonFor(strings.ReplaceAll(name, shell.Unknown, "…"))
	}
	parts := strings.Split(shell.Slashed(g.resolvePattern(full)), "/")
	for _, kept := range g.kept {
		slashed := shell.Slashed(kept.path)
		for n := 1; n <= len(parts); n++ {
			above := strings.Join(parts[:n], "/")
			switch {
			case n != strings.Count(slashed, "/")+1 && !strings.Contains(above, "**"): // * matches no /
			case !g.wildcards(above)(slashed):
			case strings.Contains(name, shell.Unknown):
				return cannotTell(name, kept.path)
			default:
				return reasonFor(kept.path)
			}
		}
	}
	return ""
}

// cannotTell is the reason for denying a path whose unknown part may make it a kept path.
func cannotTell(name, kept string) string {
	return fmt.Sprintf("opencode-oci-oidc cannot tell whether %s is %s, which may hold a secret. Write the path out.",
		strings.ReplaceAll(name, shell.Unknown, "…"), kept)
}

// endsWhereBegins reports whether the last names of path are the first names of other, of which
// at least one does not begin with a wildcard. It is for a path that begins with an unknown
// variable: $x/.sec*/other may be below /home/maria/.secrets, because path ends with .secrets.
func (g *Guard) endsWhereBegins(path, other string) bool {
	names, others := strings.Split(path, "/"), strings.Split(other, "/")
	for n := 1; n <= min(len(names), len(others)); n++ {
		begins := func(name string) bool { return name != "" && strings.IndexAny(name, "*?["+shell.Unknown) != 0 }
		if slices.ContainsFunc(others[:n], begins) && slices.EqualFunc(names[len(names)-n:], others[:n], func(name, pattern string) bool {
			return strings.EqualFold(name, pattern) || strings.ContainsAny(pattern, "*?[") && g.wildcards(pattern)(name)
		}) {
			return true
		}
	}
	return false
}

// denyCode judges code in an unknown language. It looks for words that may be paths, and for
// the last two names of each kept path.
func (g *Guard) denyCode(code, directory string) string {
	lower := strings.ToLower(shell.Slashed(code))
	for _, kept := range g.kept {
		base, parent := filepath.Base(kept.path), filepath.Base(filepath.Dir(kept.path))
		if strings.Contains(lower, strings.ToLower(parent+"/"+base)) || base == ".secrets" && expressions().secretsInCode.MatchString(lower) {
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

// personsCommands are the commands of oci-oidc-helper that print a token or change what only
// a person should change. Agents may run status, doctor, config, logs and version.
var personsCommands = []string{"token", "refresh", "connect", "logout", "init", "trust", "untrust", "gateway", "--stdio"}

// denyHelper judges a command that runs oci-oidc-helper.
func (g *Guard) denyHelper(c shell.Command, named bool) string {
	for i, word := range c.Words {
		base := shell.BaseName(word)
		literal := strings.Trim(base, "*?[]"+shell.Unknown)
		partly := literal != "" && (literal == strings.Trim(base, shell.Unknown) || len(literal) > 2) && matchValid(strings.ReplaceAll(base, shell.Unknown, "*"), "oci-oidc-helper")
		if !partly && !strings.HasPrefix(base, "oci-oi~") && !g.isOurselves(word) && !(named && word == shell.Unknown && i+1 < len(c.Words)) {
			continue
		}
		args := slices.DeleteFunc(slices.Clone(c.Words[i+1:]), func(arg string) bool { return arg == "config" })
		if slices.Contains([]string{"set-alias", "sal", "new-alias", "nal"}, shell.BaseName(c.Words[0])) {
			args = []string{shell.Unknown} // of the alias
		}
		for j := 0; j < len(args); j++ {
			switch command := args[j]; {
			case command == "-C" || command == "--directory":
				j++
			case strings.Contains(command, shell.Unknown) && shell.IsOperand(command):
				return "opencode-oci-oidc cannot tell which command of oci-oidc-helper this is. Write it out."
			case g.allowed && (command == "token" || command == "refresh"):
				return ""
			case slices.Contains(personsCommands, command):
				return fmt.Sprintf(`"oci-oidc-helper %s" is for the person: it shows a token or changes the sign-in. `+
					`Use the tools oci_oidc_status and oci_oidc_refresh, or ask the person to run it. `+
					`To let agents have tokens, a person sets allow_agent_token to true in %s.`, command, config.Name)
			case shell.IsOperand(command):
				j = len(args)
			}
		}
	}
	return ""
}

// isOurselves reports whether a word is the absolute path of this program.
func (g *Guard) isOurselves(word string) bool {
	own, err := os.Executable()
	return err == nil && filepath.IsAbs(word) && !g.remote(word) && store.SamePath(word, own)
}

// denyRecursion judges programs that read all files in a directory, such as grep -r or tar.
// feeds is as in denyCommand.
func (g *Guard) denyRecursion(name string, args, directories []string, feeds bool) string {
	descends, here, hidden := recursion(name, args, feeds)
	if !descends {
		return g.stop()
	}
	included := fileFilter(args)
	if slices.Contains([]string{"cp", "mv", "rsync", "scp", "ln"}, name) && !g.windows && !feeds {
		args = withoutDestination(args)
	}
	for _, directory := range directories {
		roots, found := g.rootsOf(name, args, directory)
		if here && !found && directory != shell.Unknown {
			roots = append(roots, directory)
		}
		for _, root := range roots {
			if reason := cmp.Or(g.stop(), g.denyDescent(root, func(file, below string) bool {
				rel, err := filepath.Rel(below, file)
				isHidden := err == nil && (strings.HasPrefix(rel, ".") || strings.Contains(shell.Slashed(rel), "/."))
				return (hidden || !isHidden) && included(file)
			}, "an option")); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// withoutDestination removes the last of several operands of cp and the like.
func withoutDestination(args []string) []string {
	operands, last := 0, 0
	for i, arg := range args {
		switch {
		case shell.IsOperand(arg):
			operands, last = operands+1, i
		case strings.HasPrefix(arg, "--t") || arg[1] != '-' && strings.Contains(arg, "t"): // -t names the destination
			return args
		}
	}
	if operands < 2 {
		return args
	}
	return slices.Concat(args[:last], args[last+1:])
}

// rootsOf returns the operands of a program that may be directories, and patterns of them, and
// whether a directory is among them. On Windows they may also be the text to search for.
func (g *Guard) rootsOf(name string, args []string, directory string) (roots []string, found bool) {
	for i, arg := range args {
		if name == "find" && !shell.IsOperand(arg) && !expressions().beforePaths.MatchString(arg) {
			break // the paths stand before the expression
		}
		if !shell.IsOperand(arg) || strings.HasSuffix(name, "tar") && i > 0 && slices.Contains([]string{"-C", "--directory"}, args[i-1]) {
			continue
		}
		slashed := shell.Slashed(arg)
		if g.windows && strings.Contains(path.Base(slashed), "*") { // findstr and xcopy take a pattern
			arg = path.Dir(slashed)
		}
		if directory == shell.Unknown {
			if strings.Trim(slashed, "./") == "" && strings.Contains(arg, "..") { // it may be the home
				roots = append(roots, g.places.Home)
			}
			continue
		}
		root := g.absoluteIn(arg, directory)
		isText := (strings.HasSuffix(name, "grep") || name == "rg" || name == "ag" || name == "ack") && // what to search for
			!strings.Contains(slashed, "/") && !slices.ContainsFunc(args[:i], shell.IsOperand)
		matches := strings.ContainsAny(arg, "*?[") && !isText
		if g.windows && !strings.Contains(arg, shell.Unknown) || g.isDirectory(root) || matches {
			roots = append(roots, root)
			found = found || g.isDirectory(root)
		}
	}
	return roots, found
}

// recursion reports whether a program reads all files in a directory, whether that is the
// current directory if its arguments name none, and whether hidden files are among them.
func recursion(name string, args []string, feeds bool) (descends, here, hidden bool) {
	has := func(short string, long ...string) bool {
		return slices.ContainsFunc(args, func(arg string) bool {
			return slices.ContainsFunc(long, func(option string) bool { return option == arg || len(arg) > 3 && strings.HasPrefix(option, arg) }) || // GNU takes abbreviations
				len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && strings.ContainsAny(arg[1:], short)
		})
	}
	switch name {
	case "grep", "egrep", "fgrep", "zgrep":
		return has("rR", "--recursive", "--dereference-recursive", "--directories=recurse") || strings.Contains(" "+strings.Join(args, " "), " -d recurse"), true, true
	case "rgrep":
		return true, true, true
	case "rg", "ag", "ack", "ugrep":
		return true, true, has("u.", "--hidden", "--no-ignore", "--unrestricted")
	case "git": // grep and diff
		return has("", "--no-index"), true, true
	case "find", "fd", "fdfind":
		runs := []string{"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}
		return feeds || slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(runs, arg) }), true, true
	case "cp", "scp", "rsync", "diff":
		return has("arR", "--recursive", "--archive"), false, true
	case "robocopy", "xcopy", "findstr":
		return slices.ContainsFunc(args, expressions().belowOption.MatchString), false, true
	case "copy-item", "cpi", "copy":
		return has("rR"), false, true
	case "forfiles":
		return true, true, true
	case "new-item", "ni":
		return slices.ContainsFunc(args, func(arg string) bool {
			return strings.EqualFold(arg, "junction") || strings.EqualFold(arg, "symboliclink")
		}), false, true
	case "for": // of cmd
		return feeds && has("", "/r", "/R"), true, true
	case "dir", "ls", "gci", "get-childitem":
		return feeds && (has("rRs") || slices.ContainsFunc(args, expressions().belowOption.MatchString)), true, true
	case "tar", "bsdtar":
		return !unpacks(args), false, true
	case "zip", "7z", "mv", "cpio", "pax", "ditto", "compress-archive", "move", "move-item", "mi",
		"ln", "subst", "mklink", "new-psdrive", "ndr": // which give a directory another name
		return true, false, true
	default:
		return false, false, false
	}
}

// unpacks reports whether tar with these arguments only reads an archive.
func unpacks(args []string) (reads bool) {
	for i, arg := range args {
		match := expressions().tarMode.FindStringSubmatch(arg)
		if match == nil || i > 0 && arg[0] != '-' { // the first argument needs no -
			continue
		}
		if !slices.Contains([]string{"t", "x", "extract", "get", "list"}, match[1]+match[2]) {
			return false
		}
		reads = true
	}
	return reads
}

// fileFilter returns whether a program reads a file, by the options that include and exclude
// files.
func fileFilter(args []string) func(file string) bool {
	var included, excluded []string // patterns
	for i, arg := range args {
		option, value, glued := strings.Cut(arg, "=")
		if !glued && i+1 < len(args) {
			value = args[i+1]
		}
		switch option {
		case "--include", "-name", "-iname", "--name", "/m", "/M":
			included = append(included, value)
		case "--exclude", "--exclude-dir":
			excluded = append(excluded, value)
		case "-g", "--glob":
			if rest, negated := strings.CutPrefix(value, "!"); negated {
				excluded = append(excluded, rest)
			} else {
				included = append(included, value)
			}
		}
	}
	return func(file string) bool {
		matches := func(match func(pattern, name string) bool) func(pattern string) bool {
			return func(pattern string) bool {
				return match(pattern, filepath.Base(file)) || match(pattern, filepath.Base(filepath.Dir(file)))
			}
		}
		return (included == nil || slices.ContainsFunc(included, matches(matchName))) && !slices.ContainsFunc(excluded, matches(matchValid))
	}
}
