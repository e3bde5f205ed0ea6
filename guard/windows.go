package guard

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// windowsPath is the absolute path, with slashes, that Windows or Git Bash make of a
// name in a directory. It goes by the text alone.
func windowsPath(name, directory, home string) string {
	name, directory, home = slashed(strings.Trim(name, `"`)), slashed(directory), slashed(home)
	if rest, ok := cutFold(name, "file://"); ok {
		name = rest
		if len(name) > 2 && name[0] == '/' && hasDrive(name[1:]) {
			name = name[1:]
		}
	}
	for _, prefix := range []string{"Microsoft.PowerShell.Core/", "FileSystem::", "//?/", "//./", "/??/"} {
		if rest, ok := cutFold(name, prefix); ok {
			name = rest
		}
	}
	if match := shareOfDrive().FindStringSubmatch(name); match != nil { // //localhost/c$/Users
		name = match[1] + ":/" + match[2]
	}
	if match := mountedDrive().FindStringSubmatch(name); match != nil { // /c/Users, /cygdrive/c/Users, /mnt/c/Users
		name = match[1] + ":/" + match[2]
	}
	drive := ""
	if hasDrive(directory) {
		drive = directory[:2]
	}
	switch {
	case name == "~" || strings.HasPrefix(name, "~/"):
		name = home + name[1:]
	case strings.HasPrefix(name, "//"):
	case strings.HasPrefix(name, "/"):
		name = drive + name
	case hasDrive(name) && !strings.HasPrefix(name[2:], "/"): // in the drive's own directory
		if strings.EqualFold(name[:2], drive) {
			name = directory + "/" + name[2:]
		} else {
			name = name[:2] + "/" + name[2:]
		}
	case !hasDrive(name):
		name = directory + "/" + name
	}
	parts := strings.Split(path.Clean(name), "/")
	for i, part := range parts {
		if i > 0 || !hasDrive(part) {
			part, _, _ = strings.Cut(part, ":") // another stream of the same file
		}
		if strings.Trim(part, ".") != "" {
			part = strings.TrimRight(part, ". ")
		}
		parts[i] = part
	}
	if len(parts) == 1 && hasDrive(parts[0]) {
		return parts[0] + "/"
	}
	return strings.Join(parts, "/")
}

var shareOfDrive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^//(?:localhost|127\.0\.0\.1|\[?::1\]?|\.)/([a-z])\$/?(.*)$`)
})

var mountedDrive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:/cygdrive|/mnt)?/([a-z])(?:/(.*))?$`)
})

func hasDrive(path string) bool {
	return len(path) >= 2 && path[1] == ':' && (path[0]|0x20) >= 'a' && (path[0]|0x20) <= 'z'
}

func cutFold(text, prefix string) (rest string, ok bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// denyWindows judges a text for PowerShell, cmd or Git Bash. Which of them runs it is not
// known, so it must pass as each. It is judged by words and paths: a text that no shell
// understands is still judged so.
func (g *Guard) denyWindows(text, directory string, nesting int) string {
	if len(text) > maxText {
		return "opencode-oci-oidc cannot judge this command: it is too long. Put long texts into files with the tool write."
	}
	if reason, err := g.judgeShell(text, directory, g.variable, nesting); err == nil && reason != "" {
		return reason
	}
	lower := strings.ToLower(text)
	feeds := slices.ContainsFunc([]string{"get-content", "gc", "type", "cat", "select-string", "sls", "foreach", "%", "for "}, func(reader string) bool {
		_, after, piped := strings.Cut(lower, "|")
		return piped && strings.Contains(after, reader) || reader == "for " && strings.HasPrefix(lower, reader)
	})
	named := strings.Contains(lower, "oci-oidc-helper") || strings.Contains(lower, "oci_oidc_helper")
	for _, cmd := range []bool{false, true} {
		r := &windowsReader{guard: g, text: text, cmd: cmd, directory: directory, variables: map[string]string{}, nesting: nesting}
		r.judge = func(c command) string { return g.denyCommand(c, feeds, named, nesting) }
		if reason := r.read(); reason != "" {
			return reason
		}
	}
	return ""
}

// A windowsReader splits a text into commands and words as PowerShell does, or cmd.
type windowsReader struct {
	guard     *Guard
	text      string
	at        int
	cmd       bool
	directory string
	variables map[string]string // in lower case
	nesting   int
	judge     func(command) string

	command  command
	word     strings.Builder
	inWord   bool
	isTarget bool   // the word is a file that is written
	joins    bool   // the word goes on the last one: 'a' + 'b'
	quoted   bool   // the word's last part is a string or a variable
	assigned string // the variable that the next word is assigned to
}

func (r *windowsReader) rest() string { return r.text[r.at:] }

func (r *windowsReader) read() (reason string) {
	for r.at < len(r.text) && reason == "" {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			reason = r.doubleQuotes()
		case c == '\'' && r.singleQuotes():
		case c == '^' && r.cmd || c == '`' && !r.cmd:
			if r.at < len(r.text) && r.text[r.at] != '\n' && r.text[r.at] != '\r' {
				r.add(r.text[r.at : r.at+1])
			}
			r.at = min(len(r.text), r.at+1)
		case c == ' ' || c == '\t' || c == '\r' || c == ';' && r.cmd:
			r.endWord()
		case strings.IndexByte("\n;|&(){}", c) >= 0:
			reason = r.endCommand()
		case c == '>' || c == '<':
			if strings.Trim(r.word.String(), "0123456789*") == "" {
				r.word.Reset()
				r.inWord = false
			}
			r.endWord()
			r.at += len(r.rest()) - len(strings.TrimLeft(r.rest(), ">&"))
			r.isTarget = c == '>'
		case c == '#' && !r.cmd && !r.inWord:
			if end := strings.IndexByte(r.rest(), '\n'); end >= 0 {
				r.at += end
			} else {
				r.at = len(r.text)
			}
		case c == '+' && !r.cmd && (!r.inWord || r.quoted) && strings.IndexAny(r.rest(), " '\"$(") == 0 && len(r.command.words) > 0 || c == '+' && !r.cmd && r.quoted:
			r.endWord()
			r.joins = true
		case c == '$' && strings.HasPrefix(r.rest(), "("):
			reason = r.substitution()
		case c == '$' || c == '%' || c == '!':
			r.variable(c)
		default:
			r.add(string(c))
			r.quoted = false
		}
	}
	if reason != "" {
		return reason
	}
	return r.endCommand()
}

func (r *windowsReader) add(text string) {
	r.inWord = true
	r.word.WriteString(text)
}

// singleQuotes reads a string of PowerShell. In cmd it is one only where nothing in it
// would end the command.
func (r *windowsReader) singleQuotes() bool {
	end := strings.IndexByte(r.rest(), '\'')
	if end < 0 || r.inWord && !r.quoted && strings.IndexByte("=,:+", r.text[max(0, r.at-2)]) < 0 || r.cmd && strings.ContainsAny(r.rest()[:end], "&|<>") {
		return false
	}
	r.add(r.rest()[:end])
	r.at += end + 1
	r.quoted = true
	return true
}

func (r *windowsReader) doubleQuotes() (reason string) {
	r.inWord = true
	for r.at < len(r.text) && reason == "" {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			r.quoted = true
			return ""
		case c == '`' && !r.cmd && r.at < len(r.text):
			r.add(r.text[r.at : r.at+1])
			r.at++
		case c == '$' && strings.HasPrefix(r.rest(), "("):
			reason = r.substitution()
		case c == '$' || c == '%' || c == '!':
			r.variable(c)
		default:
			r.add(string(c))
		}
	}
	return reason
}

// substitution judges what stands in $( ), whose output is unknown.
func (r *windowsReader) substitution() string {
	r.add(unknown)
	r.quoted = true
	if r.nesting > maxNesting {
		return "opencode-oci-oidc cannot judge this command: its parts are nested too deep."
	}
	start, open := r.at+1, 0
	for r.at < len(r.text) {
		r.at++
		switch r.text[r.at-1] {
		case '(':
			open++
		case ')':
			open--
		}
		if open == 0 {
			return r.guard.denyWindows(r.text[start:r.at-1], r.directory, r.nesting+1)
		}
	}
	return r.guard.denyWindows(r.text[start:], r.directory, r.nesting+1)
}

var windowsVariable = sync.OnceValue(func() map[byte]*regexp.Regexp {
	return map[byte]*regexp.Regexp{
		'$': regexp.MustCompile(`(?i)^(?:\{((?:env:|variable:)?[^}]*)\}|((?:env:|global:|script:)?[a-z_][a-z0-9_]*))`),
		'%': regexp.MustCompile(`(?i)^(?:([a-z_(][a-z0-9_()]*)%|([a-z_(][a-z0-9_()]*:[^%\s]*)%)`),
		'!': regexp.MustCompile(`(?i)^([a-z_][a-z0-9_]*)!`),
	}
})

// variable reads $x, ${x}, $env:x, %x% or !x!, and puts its value into the word.
func (r *windowsReader) variable(mark byte) {
	match := windowsVariable()[mark].FindStringSubmatch(r.rest())
	if match == nil {
		r.add(string(mark))
		return
	}
	name := strings.ToLower(strings.Join(match[1:], ""))
	r.at += len(match[0])
	if after := strings.TrimLeft(r.rest(), " \t"); mark == '$' && !r.inWord && len(r.command.words) == 0 &&
		strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "==") {
		r.assigned = name
		r.at = len(r.text) - len(after) + 1
		return
	}
	r.add(r.value(name))
	r.quoted = true
}

// value is a variable as text, or [unknown].
func (r *windowsReader) value(name string) string {
	for _, scope := range []string{"global:", "script:", "variable:"} {
		name = strings.TrimPrefix(name, scope)
	}
	plain := strings.TrimPrefix(name, "env:")
	if text, set := r.variables[plain]; set {
		return text
	}
	if text, set := r.guard.windowsVariable(plain, r.directory); set {
		return text
	}
	return unknown
}

// windowsVariable is one of the environment or of the shell. The usual folders are known
// wherever this runs.
func (g *Guard) windowsVariable(name, directory string) (string, bool) {
	home := slashed(g.places.Home)
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

func (r *windowsReader) endWord() {
	if !r.inWord {
		return
	}
	word := r.word.String()
	r.word.Reset()
	r.inWord, r.quoted = false, false
	switch last := len(r.command.words) - 1; {
	case r.isTarget:
		r.command.targets = append(r.command.targets, word)
		r.isTarget = false
	case r.joins && last >= 0:
		r.command.words[last] += word
	default:
		r.command.words = append(r.command.words, word)
	}
	r.joins = false
}

func (r *windowsReader) endCommand() string {
	r.endWord()
	r.isTarget = false
	c := r.command
	r.command = command{}
	if r.assigned != "" && len(c.words) > 0 {
		r.variables[strings.TrimPrefix(r.assigned, "env:")] = c.words[0]
	}
	r.assigned = ""
	if len(c.words)+len(c.targets) == 0 {
		return ""
	}
	c.directory = r.directory
	c.lookup = func(name string) (string, bool) { return r.guard.windowsVariable(name, r.directory) }
	name, args := programOf(c.words)
	switch name {
	case "join-path":
		c.words = append(c.words, strings.Join(slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !isOperand(arg) }), "/"))
	case "set":
		if variable, value, ok := strings.Cut(strings.Join(args, " "), "="); ok {
			r.variables[strings.ToLower(variable)] = value
		}
	case "powershell", "pwsh":
		if slices.ContainsFunc(args, isEncodedCommand) {
			return "opencode-oci-oidc cannot judge an encoded command. Write it out."
		}
	}
	if reason := r.judge(c); reason != "" {
		return reason
	}
	switch name {
	case "cd", "chdir", "sl", "set-location", "pushd", "push-location":
		if i := slices.IndexFunc(args, func(arg string) bool { return isOperand(arg) && !strings.EqualFold(arg, "/d") }); i >= 0 && !strings.Contains(args[i], unknown) {
			r.directory = windowsPath(args[i], r.directory, r.guard.places.Home)
		}
	}
	return ""
}

// isEncodedCommand tells -EncodedCommand, which PowerShell lets one shorten.
func isEncodedCommand(arg string) bool {
	option := strings.ToLower(strings.TrimLeft(arg, "-/"))
	return option != arg && len(option) > 0 && (strings.HasPrefix("encodedcommand", option) || option == "ec")
}
