package guard

import (
	"strconv"
	"strings"
)

// A shellCommand is a simple command of a shell's text, as far as a text can tell.
// What only a shell knows, such as the output of another command, is [unknown].
type shellCommand struct {
	words    []string // quotes removed, variables expanded; assignments included
	targets  []string // of redirections that write
	heredocs []string // what is fed to it
}

// unknown stands for any text.
const unknown = "\x00"

// maxNesting bounds how deep substitutions and code in quotes are followed.
const maxNesting = 8

// readShell returns the commands of a POSIX shell's text, those in substitutions
// first. It is no parser: keywords are words. It fails where a quote is not closed.
func readShell(text string, lookup func(name string) (string, bool)) (commands []shellCommand, ok bool) {
	r := &shellReader{text: text, lookup: lookup, variables: map[string]string{}, ok: true}
	r.read(0)
	return r.commands, r.ok
}

type shellReader struct {
	text      string
	at        int
	lookup    func(name string) (string, bool)
	variables map[string]string
	commands  []shellCommand
	nesting   int
	ok        bool

	command shellCommand
	word    strings.Builder
	inWord  bool
	target  bool     // the word is one that is written to
	waiting []string // delimiters of the here-documents that begin after this line
}

func (r *shellReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// read reads up to the closing character, or to the end where that is 0.
func (r *shellReader) read(closing byte) {
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == closing && closing != 0:
			r.endCommand()
			return
		case c == ' ' || c == '\t' || c == '\r':
			r.endWord()
		case c == '\n':
			r.endWord()
			r.readHeredocs()
			r.endCommand()
		case c == ';' || c == '|' || c == '(' || c == ')' || c == '&' && r.peek() != '>':
			r.endCommand()
			if c == '(' {
				r.nested(')')
			}
		case c == '&': // &>
		case c == '#' && !r.inWord:
			if end := strings.IndexByte(r.text[r.at:], '\n'); end >= 0 {
				r.at += end
			} else {
				r.at = len(r.text)
			}
		case c == '<' || c == '>':
			r.redirection(c)
		default:
			r.character(c)
		}
	}
	r.ok = r.ok && closing == 0
	r.endCommand()
}

// character reads one that belongs to a word.
func (r *shellReader) character(c byte) {
	r.inWord = true
	switch c {
	case '\\':
		if r.peek() == '\n' {
			r.at++
		} else if r.at < len(r.text) {
			r.word.WriteByte(r.text[r.at])
			r.at++
		}
	case '\'':
		r.word.WriteString(r.until('\''))
	case '"':
		r.quoted()
	case '$', '`':
		r.expansion(c)
	default:
		r.word.WriteByte(c)
	}
}

// until returns what stands before the next c, and goes on behind it.
func (r *shellReader) until(c byte) string {
	end := strings.IndexByte(r.text[r.at:], c)
	if end < 0 {
		r.ok = false
		end = len(r.text) - r.at
	}
	text := r.text[r.at : r.at+end]
	r.at = min(len(r.text), r.at+end+1)
	return text
}

// quoted reads a text in double quotes.
func (r *shellReader) quoted() {
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return
		case c == '\\' && strings.IndexByte("$`\"\\\n", r.peek()) >= 0 && r.at < len(r.text):
			r.word.WriteByte(r.text[r.at])
			r.at++
		case c == '$' || c == '`':
			r.expansion(c)
		default:
			r.word.WriteByte(c)
		}
	}
	r.ok = false
}

// expansion reads what begins with $ or a backquote.
func (r *shellReader) expansion(c byte) {
	next := r.peek()
	switch {
	case c == '`':
		inner := strings.ReplaceAll(r.until('`'), "\\`", "`")
		commands, _ := readShell(inner, r.value)
		r.commands = append(r.commands, commands...)
		r.word.WriteString(unknown)
	case next == '(':
		r.at++
		r.nested(')')
		r.word.WriteString(unknown)
	case next == '\'':
		r.at++
		r.word.WriteString(ansiC(r.until('\'')))
	case next == '{':
		r.at++
		r.word.WriteString(r.parameter(r.until('}')))
	case isNameByte(next):
		end := r.at
		for end < len(r.text) && isNameByte(r.text[end]) {
			end++
		}
		r.word.WriteString(r.known(r.text[r.at:end]))
		r.at = end
	case next != 0 && strings.IndexByte("?!#@*$-", next) >= 0:
		r.at++
		r.word.WriteString(unknown)
	default:
		r.word.WriteByte(c)
	}
}

// nested reads commands inside of a word or a group, up to the closing character.
func (r *shellReader) nested(closing byte) {
	if r.nesting == maxNesting {
		r.ok, r.at = false, len(r.text)
		return
	}
	inner := &shellReader{text: r.text, at: r.at, lookup: r.lookup, variables: r.variables, nesting: r.nesting + 1, ok: true}
	inner.read(closing)
	r.at, r.ok = inner.at, r.ok && inner.ok
	r.commands = append(r.commands, inner.commands...)
}

// parameter returns what ${text} stands for.
func (r *shellReader) parameter(text string) string {
	end := 0
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	name, operator := text[:end], text[end:]
	value, set := r.value(name)
	switch fallback := strings.TrimLeft(operator, ":-="); {
	case operator == "" && set:
		return value
	case operator != "" && (operator[0] == ':' || operator[0] == '-' || operator[0] == '=') && len(fallback) < len(operator):
		if set && value != "" {
			return value
		}
		return fallback
	default:
		return unknown
	}
}

func (r *shellReader) value(name string) (string, bool) {
	if value, set := r.variables[name]; set {
		return value, true
	}
	return r.lookup(name)
}

func (r *shellReader) known(name string) string {
	if value, set := r.value(name); set {
		return value
	}
	return unknown
}

// redirection reads an operator that begins with < or >. What follows it is a word.
func (r *shellReader) redirection(c byte) {
	if r.inWord && strings.Trim(r.word.String(), "0123456789") == "" {
		r.word.Reset() // a file descriptor
		r.inWord = false
	}
	r.endWord()
	rest := r.text[r.at:]
	switch {
	case strings.HasPrefix(rest, "("):
		r.at++
		r.nested(')')
	case c == '<' && strings.HasPrefix(rest, "<<"):
		r.at += 2
	case c == '<' && strings.HasPrefix(rest, "<"):
		r.at++
		if r.peek() == '-' {
			r.at++
		}
		start := r.at
		for r.at < len(r.text) && strings.IndexByte("\n;|&<>() \t", r.text[r.at]) < 0 || r.at == start && r.peek() == ' ' {
			r.at++
			if r.text[r.at-1] == ' ' {
				start = r.at
			}
		}
		r.waiting = append(r.waiting, r.text[start:r.at])
	default:
		r.at += len(rest) - len(strings.TrimLeft(rest, "<>&|"))
		r.target = c == '>' || strings.HasPrefix(rest, ">")
	}
}

// readHeredocs reads those that were announced in the line before. A delimiter
// without quotes lets the shell expand what is in it.
func (r *shellReader) readHeredocs() {
	for _, delimiter := range r.waiting {
		plain := strings.NewReplacer(`'`, "", `"`, "", `\`, "").Replace(delimiter)
		start, end := r.at, len(r.text)
		for line := range strings.Lines(r.text[r.at:]) {
			r.at += len(line)
			if strings.TrimSpace(line) == plain {
				end = r.at - len(line)
				break
			}
		}
		body := r.text[start:end]
		r.command.heredocs = append(r.command.heredocs, body)
		if plain == delimiter && r.nesting < maxNesting {
			inner := &shellReader{text: body, lookup: r.value, variables: r.variables, nesting: r.nesting + 1, ok: true}
			inner.quoted() // no quote closes it
			r.commands = append(r.commands, inner.commands...)
		}
	}
	r.waiting = nil
}

func (r *shellReader) endWord() {
	if !r.inWord {
		return
	}
	word := r.word.String()
	r.word.Reset()
	r.inWord = false
	if r.target {
		r.command.targets = append(r.command.targets, word)
		r.target = false
		return
	}
	if name, value, assigned := strings.Cut(word, "="); assigned && name != "" && strings.IndexFunc(name, notNameRune) < 0 {
		r.variables[name] = value
	}
	r.command.words = append(r.command.words, word)
}

func (r *shellReader) endCommand() {
	r.endWord()
	r.target = false
	if len(r.command.words)+len(r.command.targets)+len(r.command.heredocs) > 0 {
		r.commands = append(r.commands, r.command)
	}
	r.command = shellCommand{}
}

func isNameByte(c byte) bool { return !notNameRune(rune(c)) }

func notNameRune(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// ansiC returns what $'text' stands for.
func ansiC(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		c, _, rest, err := strconv.UnquoteChar(text, 0)
		if err != nil {
			c, rest = rune(text[0]), text[1:]
		}
		b.WriteRune(c)
		text = rest
	}
	return b.String()
}
