// Package shell finds the commands that a POSIX shell, PowerShell or cmd would run for a
// text, without running them. It removes quotes and expands variables as far as their values
// are known from the text and the environment.
package shell

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A Command is a simple command, with quotes removed and variables and braces expanded. Parts
// that only a running shell knows, such as the output of another command, are [Unknown].
type Command struct {
	Directory string   // the working directory, if each cd has succeeded
	Elsewhere []string // other directories in which the command may run; Unknown is any
	Words     []string // assignments, program and arguments
	Targets   []string // files of redirections that write
	Input     []string // here-documents, here-strings, and what is printed before a pipe; Unknown if there may be more
	Feeds     bool     // the output becomes words or a file of another command
	Lookup    func(name string) (string, bool)
}

// Unknown stands for any text without a slash. It is one byte long, so that ${x:0:1} does not
// cut it, and not NUL, because package expand removes that.
const Unknown = "\x1a"

const (
	maxCommands  = 5000      // commands in one text
	MaxText      = 128 << 10 // bytes; the longest text that is judged
	maxNesting   = 8         // of functions, eval and substitutions
	maxDepth     = 500       // of the syntax tree
	maxFields    = 1000      // words that one word may expand to
	maxElsewhere = 8         // directories; among more, the working directory is Unknown
	maxDirectory = 512       // bytes; cd to a longer path leads to Unknown
	maxValue     = 4096      // bytes; a variable with a longer value is Unknown
)

// Why a text takes too much to judge.
const (
	TooLong = "it is too long"
	TooDeep = "its parts are nested too deep"
)

// CannotJudge is the reason for denying a text that cannot be judged.
func CannotJudge(why string) string {
	return "opencode-oci-oidc cannot judge this command: " + why + ". Write it in a simpler way, " +
		"and put long texts into files with the tool write."
}

// A Reader passes each command of a text to Judge, until Judge returns a reason to deny it.
type Reader struct {
	Judge     func(Command) string                // returns the reason for denying a command, or ""
	Stop      func() string                       // returns the reason for denying a text that takes too long to judge, or ""
	Lookup    func(name string) (string, bool)    // returns a variable of the environment or the shell
	Absolute  func(name, directory string) string // returns the absolute path of a name
	Home      string
	Directory string   // the working directory at the beginning
	Elsewhere []string // see Command

	// Nested judges the text in $( ), for [Reader.Windows] only.
	Nested func(text, directory string, elsewhere []string) string
}

// perhapsIn adds directories in which the next commands may run.
func (r *Reader) perhapsIn(directories ...string) {
	for _, one := range directories {
		if len(r.Elsewhere) >= maxElsewhere {
			one = Unknown
		}
		if !slices.Contains(r.Elsewhere, one) {
			r.Elsewhere = append(slices.Clip(r.Elsewhere), one)
		}
	}
}

// changeDirectory simulates cd and the like. The shell stays where it is if that fails.
func (r *Reader) changeDirectory(name string, args []string, home string) {
	before, to := r.Directory, ""
	if i := slices.IndexFunc(args, func(arg string) bool { return IsOperand(arg) && !strings.EqualFold(arg, "/d") }); i >= 0 {
		to = args[i]
	}
	switch {
	case strings.HasPrefix(name, "pop") || strings.HasPrefix(name, "push") && (to == "" || to[0] == '+') || to == "-" || strings.Contains(to, Unknown) || len(r.Directory)+len(to) > maxDirectory:
		before = Unknown
	case to != "":
		r.Directory = r.Absolute(to, r.Directory)
	case home != "":
		r.Directory = home
	default:
		before = Unknown
	}
	r.perhapsIn(before)
}

// wrappers are programs that run the command in their arguments.
var wrappers = []string{
	"sudo", "doas", "env", "nohup", "nice", "time", "timeout", "command", "builtin", "exec", "stdbuf", "setsid", "busybox", "xargs", "call", "start",
}

// ProgramOf returns the name of the program that a command runs, as [BaseName] does, and the
// words after it. It skips assignments, wrappers such as sudo, and their options.
func ProgramOf(words []string) (name string, args []string) {
	for i, word := range words {
		base := BaseName(word)
		if variable, _, assigned := strings.Cut(word, "="); assigned && syntax.ValidName(variable) ||
			slices.Contains(wrappers, base) || strings.HasPrefix(word, "-") || isDuration(word) {
			continue
		}
		return base, words[i+1:]
	}
	return "", nil
}

// BaseName returns the name of a program without its directory and its extension on Windows,
// in lower case.
func BaseName(word string) string {
	name := strings.ToLower(path.Base(Slashed(word)))
	if extension := path.Ext(name); slices.Contains([]string{".exe", ".cmd", ".bat", ".ps1"}, extension) { // npm makes a .cmd and a .ps1
		return strings.TrimSuffix(name, extension)
	}
	return name
}

// isDuration reports whether a word may be the number after timeout or nice.
func isDuration(word string) bool { return word == "" || word[0] >= '0' && word[0] <= '9' }

// IsOperand reports whether an argument is an operand and not an option (XBD 12.1 in POSIX).
func IsOperand(arg string) bool { return !strings.HasPrefix(arg, "-") || arg == "-" }

// Slashed returns a path with / for \, on every platform.
func Slashed(path string) string { return strings.ReplaceAll(path, `\`, "/") }
