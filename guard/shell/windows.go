package shell

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Windows passes the commands of a text for cmd (if cmd is true) or PowerShell to Judge, and
// returns the first reason for denying one, or "". It splits any text into words, even one
// with syntax errors.
func (r Reader) Windows(text string, cmd bool) (reason string) {
	reader := &windowsReader{Reader: r, text: strings.ReplaceAll(text, "\r\n", "\n"), cmd: cmd, variables: map[string]string{}}
	return reader.read()
}

// A windowsReader splits a text into commands and words like PowerShell or cmd.
type windowsReader struct {
	Reader
	text      string
	at        int // offset of the next byte to read
	cmd       bool
	variables map[string]string // by name in lower case

	command  Command
	word     strings.Builder
	inWord   bool
	isTarget bool   // the word is the file of a redirection that writes
	joins    bool   // the word continues the last one: 'a' + 'b'
	quoted   bool   // the word's last part is a string or a variable
	assigned string // name of the variable that the next word is assigned to
	before   string // the variable's value, which the word is appended to

	statement int      // offset at which the statement begins
	called    bool     // the command stands after &, which runs what a variable names
	fed       bool     // the command stands after a pipe that brings a made text
	computed  bool     // the command begins with a string or a variable
	outer     []string // the words before the ( in which the command stands
	piped     []string // the string before the | after which the command stands
}

func (r *windowsReader) rest() string { return r.text[r.at:] }

func (r *windowsReader) read() (reason string) {
	for r.at < len(r.text) && reason == "" {
		if reason = r.stop(); reason != "" {
			return reason
		}
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			reason = r.doubleQuotes()
		case c == '\'' && r.singleQuotes():
		case c == '^' && r.cmd || c == '`' && !r.cmd:
			if r.at < len(r.text) && r.text[r.at] != '\n' {
				r.add(r.text[r.at : r.at+1])
			}
			r.at = min(len(r.text), r.at+1)
		case strings.IndexByte(" \t\r,", c) >= 0 || c == ';' && r.cmd:
			r.endWord()
		case strings.IndexByte("\n;|&(){}", c) >= 0:
			reason = r.endCommand(c)
			if c == ')' && !r.cmd { // what is in parentheses has a value, perhaps of a member: (x).Path
				r.begin()
				r.add(Unknown)
				r.at += len(memberOfValue().FindString(r.rest()))
			}
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
		case c == '+' && !r.cmd && (!r.inWord || r.quoted) && strings.IndexAny(r.rest(), " '\"$(") == 0 && len(r.command.Words) > 0 || c == '+' && !r.cmd && r.quoted:
			r.endWord()
			r.joins = true
		case c == '$' && strings.HasPrefix(r.rest(), "("):
			reason = r.substitution()
		case c == '$' || c == '%' || c == '!':
			r.variable(c)
		case c == '@' && !r.cmd && !r.inWord && patterns().splatted.MatchString(r.rest()): // arguments from a variable
			r.add(Unknown)
			r.at += strings.IndexFunc(r.rest()+" ", func(c rune) bool { return strings.ContainsRune(" \t\n;|)}", c) })
		default:
			r.add(r.text[r.at-1 : r.at])
			r.quoted = false
		}
	}
	if reason != "" {
		return reason
	}
	return r.endCommand('\n')
}

// stop returns the reason for denying a text that takes too much to judge, or "".
func (r *windowsReader) stop() string {
	if r.word.Len() > MaxText {
		return CannotJudge(TooLong)
	}
	return r.Stop()
}

// set sets a variable.
func (r *windowsReader) set(name, value string) {
	if len(value) > maxValue {
		value = Unknown
	}
	r.variables[strings.TrimPrefix(name, "env:")] = value
}

func (r *windowsReader) add(text string) {
	r.inWord = true
	r.word.WriteString(text)
}

// singleQuotes reads a string in single quotes, and returns false if the quote is an ordinary
// character. cmd has no such strings, but passes them to programs that do; there it is
// ordinary if the string would contain & | < or >.
func (r *windowsReader) singleQuotes() bool {
	end := strings.IndexByte(r.rest(), '\'')
	if end < 0 || r.inWord && !r.quoted && strings.IndexByte("=,:+", r.text[max(0, r.at-2)]) < 0 && (r.cmd || strings.ContainsAny(r.rest()[:end], " \t\n")) || r.cmd && strings.ContainsAny(r.rest()[:end], "&|<>") {
		return false
	}
	r.begin()
	for end += r.at; r.at < end; {
		c := r.text[r.at]
		r.at++
		if r.cmd && (c == '%' || c == '!') {
			r.variable(c)
		} else {
			r.add(r.text[r.at-1 : r.at])
		}
	}
	r.at++
	r.quoted = true
	return true
}

// begin begins a string or a variable.
func (r *windowsReader) begin() {
	r.computed = r.computed || !r.inWord && len(r.command.Words) == 0
	r.inWord, r.quoted = true, true
}

func (r *windowsReader) doubleQuotes() (reason string) {
	r.begin()
	for r.at < len(r.text) && reason == "" {
		if reason = r.stop(); reason != "" {
			return reason
		}
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return ""
		case c == '`' && !r.cmd && r.at < len(r.text):
			r.add(r.text[r.at : r.at+1])
			r.at++
		case c == '$' && strings.HasPrefix(r.rest(), "("):
			reason = r.substitution()
		case c == '$' || c == '%' || c == '!':
			r.variable(c)
		default:
			r.add(r.text[r.at-1 : r.at])
		}
	}
	return reason
}

// substitution judges the text in $( ), and adds Unknown or made for its output.
func (r *windowsReader) substitution() string {
	r.begin()
	r.at++
	text := r.parenthesised()
	r.at = min(len(r.text), r.at+len(text)+1)
	if !r.cmd && r.makesText(text) {
		r.add(made)
	} else {
		r.add(Unknown)
	}
	return r.Nested(text, r.Directory, r.Elsewhere)
}

// parenthesised returns the text from r.at to the parenthesis that closes.
func (r *windowsReader) parenthesised() string {
	open := 1
	for i, c := range r.rest() {
		switch c {
		case '(':
			open++
		case ')':
			open--
		}
		if open == 0 {
			return r.rest()[:i]
		}
	}
	return r.rest()
}

var windowsVariable = sync.OnceValue(func() map[byte]*regexp.Regexp {
	return map[byte]*regexp.Regexp{
		'$': regexp.MustCompile(`(?i)^(?:\{((?:env:|variable:)?[^}]*)\}|((?:env:|global:|script:)?[a-z_][a-z0-9_]*))`),
		'%': regexp.MustCompile(`(?i)^(?:%([a-z_(][a-z0-9_()]*)%%|([a-z_(][a-z0-9_()]*)%|([a-z_(][a-z0-9_()]*:[^%\s]*)%)`), // %%x%% is for call
		'!': regexp.MustCompile(`(?i)^([a-z_][a-z0-9_]*(?::[^!\s]*)?)!`),
	}
})

// loopVariable matches the variable of a loop of cmd after its first %, such as %f or %%~nxf.
var loopVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^%?(?:~[a-z$:]*)?[a-z]\b`) })

// variable reads $x, ${x}, $env:x, %x% or !x!, and adds its value to the word. If $x begins an
// assignment, the next word becomes its value.
func (r *windowsReader) variable(mark byte) {
	match := windowsVariable()[mark].FindStringSubmatch(r.rest())
	loop := ""
	if r.cmd && mark == '%' && match == nil && strings.Contains(strings.ToLower(r.text), "for ") {
		loop = loopVariable().FindString(r.rest())
	}
	switch {
	case loop != "":
		r.begin()
		r.add(Unknown)
		r.at += len(loop)
		return
	case match == nil:
		r.add(string(mark))
		return
	}
	name := strings.ToLower(strings.Join(match[1:], ""))
	r.at += len(match[0])
	if after := strings.TrimLeft(r.rest(), " \t"); mark == '$' && !r.inWord && len(r.command.Words) == 0 &&
		(strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "==") || strings.HasPrefix(after, "+=")) {
		r.before = ""
		if after[0] == '+' {
			r.before, after = r.value(name), after[1:]
		}
		r.at = len(r.text) - len(after) + 1
		if !r.cmd && r.makesText(patterns().statement.FindString(r.rest())) {
			r.set(name, made)
		} else {
			r.assigned = name
		}
		return
	}
	r.begin()
	r.add(r.value(name))
}

// value returns the value of a variable, or [Unknown].
func (r *windowsReader) value(name string) string {
	for _, scope := range []string{"global:", "script:", "variable:"} {
		name = strings.TrimPrefix(name, scope)
	}
	plain := strings.TrimPrefix(name, "env:")
	if name == "pwd" && !r.cmd || name == "cd" && r.cmd {
		if len(r.Elsewhere) > 0 {
			return Unknown
		}
		return r.Directory
	}
	if whole, _, part := strings.Cut(plain, ":"); part && r.cmd && r.variables[whole] != "" { // %x:a=b%
		return made
	}
	if text, set := r.variables[plain]; set {
		return text
	}
	if text, set := r.Lookup(plain); set && (r.cmd || plain != name || name == "home" || name == "pwd") {
		return text
	}
	return Unknown
}

func (r *windowsReader) endWord() {
	if !r.inWord {
		return
	}
	word := r.word.String()
	r.word.Reset()
	r.inWord, r.quoted = false, false
	switch last := len(r.command.Words) - 1; {
	case r.isTarget:
		r.command.Targets = append(r.command.Targets, word)
		r.isTarget = false
	case r.joins && last >= 0:
		r.command.Words[last] += word
	default:
		r.command.Words = append(r.command.Words, word)
	}
	r.joins = false
}

// endCommand judges the command that ends before one of the bytes \n ; | & ( ) { and }.
func (r *windowsReader) endCommand(end byte) string {
	r.endWord()
	if end == '(' && !r.cmd && (r.isTarget || r.called && len(r.command.Words) == 0 || usesText(r.command.Words)) {
		if text := r.parenthesised(); r.makesText(text) || r.called && patterns().joined.MatchString(text) {
			return cannotJudgeText
		}
	}
	if r.called && len(r.command.Words) == 1 && patterns().methodOfString.MatchString(r.text[:r.at]) {
		return cannotJudgeText
	}
	r.isTarget = false
	c, computed, outer, piped, called, fed := r.command, r.computed, r.outer, r.piped, r.called, r.fed
	r.command, r.computed, r.piped, r.called, r.fed = Command{}, false, nil, end == '&', false
	switch {
	case strings.IndexByte("\n;", end) >= 0:
		r.statement = r.at
	case end == '|' && !r.cmd:
		r.fed = r.makesText(r.text[r.statement : r.at-1])
	}
	if r.assigned != "" && len(c.Words) > 0 {
		r.set(r.assigned, r.before+c.Words[0])
	}
	r.assigned = ""
	if len(c.Words)+len(c.Targets) == 0 {
		return ""
	}
	r.outer = nil
	switch {
	case end == '(':
		r.outer = c.Words
	case end == '|' && computed && len(c.Words) == 1:
		r.piped = c.Words
	}
	if computed {
		c.Words = append(outer, c.Words...)
	}
	if r.cmd {
		c.Words = internalOfCmd(c.Words)
	}
	c.Input, c.Directory, c.Elsewhere, c.Lookup = piped, r.Directory, r.Elsewhere, r.Lookup
	return r.run(c, outer, called, fed)
}

// run passes a command to Judge, and simulates what it changes. outer are the words of the
// command around it; called and fed are as in windowsReader.
func (r *windowsReader) run(c Command, outer []string, called, fed bool) string {
	name, args := ProgramOf(c.Words)
	if fed && name != "findstr" && name != "more" && patterns().takesPaths.MatchString(name) || usesMade(c, r.cmd || called, name) {
		return cannotJudgeText
	}
	c.Words = slices.Clone(c.Words)
	for i, word := range c.Words {
		c.Words[i] = strings.ReplaceAll(word, made, Unknown)
	}
	if name == "join-path" || strings.HasSuffix(name, "::combine") {
		joined := strings.Join(slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !IsOperand(arg) }), "/")
		c.Words = slices.Concat(outer, c.Words, []string{joined})
	}
	if i := slices.IndexFunc(c.Words, isPowerShell); i >= 0 && slices.ContainsFunc(c.Words[i:], isEncodedCommand) {
		return "opencode-oci-oidc cannot judge an encoded command. Write it out."
	}
	if name == "set" {
		if variable, value, ok := strings.Cut(strings.Join(args, " "), "="); ok {
			r.set(strings.ToLower(variable), value)
		}
	}
	if reason := r.Judge(c); reason != "" {
		return reason
	}
	if r.cmd && slices.Contains([]string{"if", "else", "do"}, name) { // if exist x cd ..
		if i := slices.IndexFunc(args, func(arg string) bool { return slices.Contains([]string{"cd", "chdir", "pushd", "popd"}, BaseName(arg)) }); i >= 0 {
			name, args = BaseName(args[i]), args[i+1:]
		}
	}
	switch name {
	case "cd", "chdir", "sl", "set-location", "pushd", "push-location", "popd", "pop-location":
		r.changeDirectory(name, args, "")
	}
	return ""
}

var memberOfValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:\.[A-Za-z_]\w*)+`) })

// internalOfCmd returns the words of a command without @, and with a space after its first
// word's name, which the internal commands of cmd do without: cd.., type\x.
func internalOfCmd(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	words = slices.Clone(words)
	words[0] = strings.TrimLeft(words[0], "@")
	match := internalCommand().FindStringSubmatch(words[0])
	if match == nil {
		return words
	}
	if strings.HasPrefix(match[2], "/.") { // type/..\x
		match[2] = match[2][1:]
	}
	return append(match[1:], words[1:]...)
}

var internalCommand = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(cd|chdir|copy|del|dir|erase|move|pushd|ren|type)([.\\/].*)$`)
})

func isPowerShell(word string) bool {
	return slices.Contains([]string{"powershell", "powershell_ise", "pwsh"}, BaseName(word))
}

// isEncodedCommand reports whether an argument is -EncodedCommand of PowerShell, or one of the
// abbreviations that PowerShell accepts.
func isEncodedCommand(arg string) bool {
	option, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(arg, "-–—―/")), ":")
	return option != arg && len(option) > 0 && (strings.HasPrefix("encodedcommand", option) || strings.HasPrefix("encodedarguments", option) || option == "ec")
}

// made stands for a text that an expression makes of strings in the judged text: 'a' -f 'b',
// or %x:a=b%. Such a text is not computed here. What names a file, or is run, must not
// contain it.
const made = "\x1c"

const cannotJudgeText = "opencode-oci-oidc cannot judge a path or a command that an expression makes of other texts. Write it out."

// patterns recognise what makes a text, and what takes one; compiled when a text for Windows is
// first judged.
var patterns = sync.OnceValue(func() (p struct {
	making, variable, stringPiped, joined, methodOfString, statement, splatted *regexp.Regexp

	takesPaths *regexp.Regexp // commands that run their arguments, or for which each operand may be a path
	takesPath  *regexp.Regexp // commands of which only the first operand is a path: the others are what is written
	pathOption *regexp.Regexp
	textOption *regexp.Regexp
}) {
	p.making = regexp.MustCompile(`(?i)['"]\)*\s*-[ic]?(?:f|join|replace)\b|(?:^|[\s(=,])-join\b|['"]\)*(?:\.\w+\(|\[)|` +
		`\[(?:system\.)?(?:char|byte)\b|\[(?:system\.)?(?:string|text\.regularexpressions\.regex|regex)\]::|From(?:Base64|Hex)String|\.GetString\(`)
	p.variable = regexp.MustCompile(`\$\w+`)
	p.stringPiped = regexp.MustCompile(`['"]\)*\s*\|`)
	p.joined = regexp.MustCompile(`['"]\s*\+|\+\s*['"]`)
	p.methodOfString = regexp.MustCompile(`['"]\.\w+\($`)
	p.statement = regexp.MustCompile(`^(?:'[^']*'|"[^"]*"|[^'"\n;])*`)
	p.splatted = regexp.MustCompile(`^[A-Za-z_]\w*(?:[\s;|)}]|$)`)
	p.takesPaths = regexp.MustCompile(`^(?:\.|iex|invoke-expression|powershell|pwsh|cmd|start-process|saps|invoke-command|icm|new-object|` +
		`gc|cat|type|get-content|more|cp|cpi|copy|copy-item|xcopy|robocopy|mv|mi|move|move-item|ni|new-item|ri|rm|del|erase|remove-item|` +
		`clc|clear-content|gi|get-item|ii|invoke-item|import-.*|findstr|certutil|` +
		`(?:\[(?:system\.)?(?:io\.|diagnostics\.process|scriptblock|reflection\.)|\$executioncontext).*)$`)
	p.takesPath = regexp.MustCompile(`^(?:sc|set-content|ac|add-content|out-file|tee|tee-object)$`)
	p.pathOption = regexp.MustCompile(`(?i)^-(?:\w*path|lp|destination|target|(?:in|out)?file|argumentlist|args|c|command):?$`)
	p.textOption = regexp.MustCompile(`(?i)^-(?:value|newname|pattern|filter|include|exclude|encoding|delimiter|separator|inputobject|property):?$`)
	return p
})

// makesText reports whether an expression of PowerShell makes a text of strings that are in
// the judged text.
func (r *windowsReader) makesText(expression string) bool {
	expression = patterns().variable.ReplaceAllStringFunc(expression, func(variable string) string {
		if r.variables[strings.ToLower(variable[1:])] != "" || variable == "$_" && patterns().stringPiped.MatchString(r.text[r.statement:r.at]) {
			return "''"
		}
		return variable
	})
	return patterns().making.MatchString(expression)
}

// usesText reports whether the word after the words of a command may be a path to a file, or
// is run.
func usesText(words []string) bool {
	name, args := ProgramOf(words)
	last := ""
	if len(args) > 0 && !IsOperand(args[len(args)-1]) {
		last = args[len(args)-1]
	}
	return patterns().pathOption.MatchString(last) || !patterns().textOption.MatchString(last) &&
		(patterns().takesPaths.MatchString(name) || patterns().takesPath.MatchString(name) && !slices.ContainsFunc(args, IsOperand))
}

// usesMade reports whether a command's program, if it is called, or one of its paths contains
// [made].
func usesMade(c Command, called bool, name string) bool {
	has := func(word string) bool { return strings.Contains(word, made) }
	for i, word := range c.Words {
		if has(word) && (called && has(name) || usesText(c.Words[:i])) {
			return true
		}
	}
	return slices.ContainsFunc(c.Targets, has)
}
