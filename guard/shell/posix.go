package shell

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// A shell simulates a POSIX shell, bash or zsh: it passes the commands of a text to Judge, in
// the order in which they would run. It takes both branches of an if; a variable that could
// have two values afterwards becomes Unknown.
type shell struct {
	Reader
	variables  map[string]expand.Variable
	functions  map[string]*syntax.Stmt
	called     map[string]bool
	parameters []string // $1 and so on; nil if they are Unknown
	nesting    int      // of functions, eval and substitutions
	depth      int      // of the syntax tree
	commands   *int
	piped      []string // the output of the command before the pipe, or a here-document, if it is known
	feeds      bool     // this is in a substitution
}

// denied is the error that ends the simulation when a text is denied: the reason.
type denied string

func (d denied) Error() string { return string(d) }

var (
	errTooLong = denied(CannotJudge(TooLong))
	errTooDeep = denied(CannotJudge(TooDeep))
)

// POSIX passes the commands of a text for sh, bash or zsh to Judge, and returns the first
// reason for denying one or the text, or "". Its error is that of a text that cannot be parsed.
func (r Reader) POSIX(text string) (reason string, err error) {
	s := &shell{Reader: r}
	defer func() {
		if fault := recover(); fault != nil { // the parser or package expand panicked
			reason, err = CannotJudge(fmt.Sprint(fault)), nil
		}
	}()
	s.variables, s.functions, s.called, s.commands = map[string]expand.Variable{}, map[string]*syntax.Stmt{}, map[string]bool{}, new(int)
	err = s.text(text)
	for _, name := range slices.Sorted(maps.Keys(s.functions)) {
		if err == nil && !s.called[name] {
			err = s.stmt(s.functions[name]) // it may be called in a way that the simulation does not see
		}
	}
	if why := denied(""); errors.As(err, &why) {
		return string(why), nil
	}
	return "", err
}

func (s *shell) text(text string) error {
	if len(text) > MaxText {
		return errTooLong
	}
	text = strings.ReplaceAll(text, Unknown, "${_}")
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		var again error
		if file, again = syntax.NewParser(syntax.Variant(syntax.LangZsh)).Parse(strings.NewReader(text), ""); again != nil {
			return err
		}
	}
	return s.stmts(file.Stmts)
}

// inner returns a subshell, as for ( ): its variables do not change those of s.
func (s *shell) inner() *shell {
	inner := *s
	inner.variables, inner.functions = maps.Clone(s.variables), maps.Clone(s.functions)
	return &inner
}

func (s *shell) stmts(list []*syntax.Stmt) error {
	for _, one := range list {
		if err := s.stmt(one); err != nil {
			return err
		}
	}
	return nil
}

// perhaps simulates commands that may not run.
func (s *shell) perhaps(list ...*syntax.Stmt) error {
	before := *s.inner()
	err := s.stmts(list)
	s.blur(before)
	return err
}

// blur makes what has changed since before Unknown, because it may not have changed, and
// reports whether anything has.
func (s *shell) blur(before shell) (changed bool) {
	changed = s.Directory != before.Directory || len(s.Elsewhere) != len(before.Elsewhere)
	for name, v := range s.variables {
		if was := before.Get(name); was.Kind != v.Kind && v.Kind == expand.Indexed || was.String() != v.String() || !slices.Equal(was.List, v.List) {
			s.forget(name)
			changed = changed || was.String() != Unknown
		}
	}
	if !slices.Equal(s.parameters, before.parameters) {
		s.parameters = nil
		changed = changed || before.parameters != nil
	}
	return changed
}

// loop simulates a loop: the second time with what the first time may have changed.
func (s *shell) loop(condition, do []*syntax.Stmt) error {
	for range 2 {
		before := *s.inner()
		if err := s.stmts(condition); err != nil {
			return err
		}
		if err := s.stmts(do); err != nil {
			return err
		}
		if !s.blur(before) {
			break
		}
	}
	return nil
}

func (s *shell) stmt(one *syntax.Stmt) error {
	if s.nesting > maxNesting || s.depth > maxDepth {
		return errTooDeep
	}
	s.depth++
	defer func(s *shell) { s.depth-- }(s)
	c := Command{Input: slices.Clone(s.piped)}
	for _, redirect := range one.Redirs {
		if err := s.redirect(redirect, &c); err != nil {
			return err
		}
	}
	if call, ok := one.Cmd.(*syntax.CallExpr); ok {
		if one.Background {
			s = s.inner()
		}
		return s.call(call, c)
	}
	if err := s.run(c); err != nil {
		return err
	}
	before := s.piped
	s.piped = c.Input
	defer func(s *shell) { s.piped = before }(s)
	if one.Background || one.Coprocess {
		s = s.inner()
	}
	switch of := one.Cmd.(type) {
	case *syntax.Subshell:
		return s.inner().stmts(of.Stmts)
	case *syntax.Block:
		return s.stmts(of.Stmts)
	case *syntax.IfClause:
		return s.ifClause(of)
	case *syntax.WhileClause:
		return s.loop(of.Cond, of.Do)
	case *syntax.ForClause:
		return s.forClause(of)
	case *syntax.CaseClause:
		return s.caseClause(of)
	case *syntax.BinaryCmd:
		return s.binary(of)
	case *syntax.FuncDecl:
		if of.Name != nil {
			s.functions[of.Name.Value] = of.Body
		}
	case *syntax.DeclClause:
		c.Words = []string{of.Variant.Value}
		err := s.assign(of.Args, &c, true)
		if slices.ContainsFunc(c.Words, func(word string) bool { return !IsOperand(word) && strings.Contains(word, "n") }) { // a name of another variable
			for _, one := range of.Args {
				if one.Name != nil {
					s.forget(one.Name.Value)
				}
			}
		}
		return err
	case *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		c.Words = []string{"[["}
		if err := s.nested(of); err != nil {
			return err
		}
		return s.conditions(of, c)
	case *syntax.TimeClause:
		if of.Stmt != nil {
			return s.stmt(of.Stmt)
		}
	case *syntax.CoprocClause:
		return s.inner().stmt(of.Stmt)
	case *syntax.TestDecl:
		return s.inner().stmt(of.Body)
	}
	return nil
}

func (s *shell) redirect(r *syntax.Redirect, c *Command) error {
	if r.Hdoc != nil {
		text, err := s.literal(r.Hdoc)
		c.Input = append(c.Input, text)
		return err
	}
	if r.Word == nil || r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc {
		return nil
	}
	fields, err := s.fields(r.Word)
	switch r.Op {
	case syntax.RdrIn, syntax.DplIn, syntax.DplOut:
		c.Words = append(c.Words, fields...)
		c.Input = append(c.Input, s.substituted([]*syntax.Word{r.Word})...)
	case syntax.WordHdoc:
		c.Input = append(c.Input, strings.Join(fields, " "))
	default:
		c.Targets = append(c.Targets, fields...)
	}
	return err
}

// run passes a command to Judge.
func (s *shell) run(c Command) error {
	if len(c.Words)+len(c.Targets) == 0 {
		return nil
	}
	if *s.commands++; *s.commands > maxCommands {
		return errTooLong
	}
	if reason := s.Stop(); reason != "" {
		return denied(reason)
	}
	c.Directory, c.Elsewhere, c.Lookup, c.Feeds = s.Directory, s.Elsewhere, s.value, s.feeds
	if reason := s.Judge(c); reason != "" {
		return denied(reason)
	}
	return nil
}

func (s *shell) call(call *syntax.CallExpr, c Command) error {
	read := c.Words
	c.Words = nil
	assigned := s
	if len(call.Args) > 0 { // then the assignments are for this command only
		assigned = s.inner()
	}
	if err := assigned.assign(call.Assigns, &c, false); err != nil {
		return err
	}
	at := len(c.Words)
	args, err := s.fields(call.Args...)
	if err != nil {
		return err
	}
	c.Words = slices.Concat(c.Words, args, read)
	if err := assigned.run(c); err != nil {
		return err
	}
	if len(args) == 0 {
		return nil
	}
	made := c
	if made.Input = s.substituted(call.Args); len(made.Input) > 0 {
		if err := assigned.run(made); err != nil {
			return err
		}
	}
	before := s.piped
	s.piped = c.Input
	err = s.effect(args, c.Words[at:], assigned)
	if name, _ := ProgramOf(args); err == nil && (name == "eval" || name == "." || name == "source") {
		before := *s.inner()
		s.nesting++
		for _, code := range slices.Concat(made.Input, c.Input) {
			if why := denied(""); errors.As(s.text(code), &why) {
				return why
			}
		}
		s.nesting--
		s.blur(before)
	}
	s.piped = before
	return err
}

// effect simulates what a function or builtin changes in the shell. assigned also has the
// variables that are for this command only.
func (s *shell) effect(args, words []string, assigned *shell) error {
	if body := s.functions[args[0]]; body != nil {
		s.called[args[0]] = true
		before := s.parameters
		s.parameters, s.nesting = slices.Concat([]string{}, args[1:]), s.nesting+1
		err := s.perhaps(body) // because of local and return
		s.parameters, s.nesting = before, s.nesting-1
		return err
	}
	name, rest := ProgramOf(words)
	switch name {
	case "cd", "pushd", "popd":
		home, _ := assigned.value("HOME")
		paths, _ := assigned.value("CDPATH")
		from := s.Directory
		s.changeDirectory(name, rest, home)
		for _, path := range strings.Split(paths, ":") { // cd looks for a relative name there first
			if i := slices.IndexFunc(rest, IsOperand); path != "" && i >= 0 {
				s.perhapsIn(s.Absolute(rest[i], s.Absolute(path, from)), Unknown) // success does not tell which it is
			}
		}
	case "eval":
		s.nesting++
		err := s.text(strings.Join(rest, " "))
		s.nesting--
		return err
	case "read", "mapfile", "readarray", "getopts", "unset":
		if name == "read" {
			s.forget("REPLY")
		}
		for _, one := range rest {
			s.forget(one)
		}
	case "printf":
		if glued, ok := strings.CutPrefix(strings.Join(rest[:min(2, len(rest))], " "), "-v"); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(glued), " ")
			s.forget(name)
		}
	case "set":
		if i := slices.Index(rest, "--"); i >= 0 {
			s.parameters = rest[i+1:]
		} else if len(rest) > 0 && IsOperand(rest[0]) && !strings.HasPrefix(rest[0], "+") {
			s.parameters = rest
		}
	case "shift":
		s.parameters = nil
	}
	return nil
}

func (s *shell) ifClause(of *syntax.IfClause) error {
	for ; of != nil; of = of.Else {
		if err := s.stmts(of.Cond); err != nil {
			return err
		}
		if err := s.perhaps(of.Then...); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) forClause(of *syntax.ForClause) error {
	words, ok := of.Loop.(*syntax.WordIter)
	if !ok {
		if err := s.nested(of.Loop); err != nil {
			return err
		}
		return s.loop(nil, of.Do)
	}
	items, err := s.fields(words.Items...)
	if err != nil {
		return err
	}
	if err := s.run(Command{Words: append([]string{"for"}, items...)}); err != nil {
		return err
	}
	before := *s.inner()
	if len(items) == 0 || len(items) > 50 {
		s.forget(words.Name.Value)
		return s.loop(nil, of.Do)
	}
	ends := slices.Contains(items, Unknown) // there may be no items
	syntax.Walk(&syntax.Block{Stmts: of.Do}, func(node syntax.Node) bool {
		lit, ok := node.(*syntax.Lit)
		ends = ends || ok && (lit.Value == "break" || lit.Value == "continue")
		return true
	})
	for _, item := range items {
		s.set(words.Name.Value, expand.Variable{Set: true, Kind: expand.String, Str: item})
		if err := s.stmts(of.Do); err != nil {
			return err
		}
	}
	if ends {
		s.blur(before)
	}
	return nil
}

func (s *shell) caseClause(of *syntax.CaseClause) error {
	if err := s.nested(of.Word); err != nil {
		return err
	}
	for _, item := range of.Items {
		for _, pattern := range item.Patterns {
			if err := s.nested(pattern); err != nil {
				return err
			}
		}
		if err := s.perhaps(item.Stmts...); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) binary(of *syntax.BinaryCmd) error {
	if of.Op == syntax.AndStmt || of.Op == syntax.OrStmt {
		before, err := s.list(of)
		s.blur(before)
		return err
	}
	left, right := s.inner(), s.inner()
	right.piped = left.written(of.X)
	if err := left.stmt(of.X); err != nil {
		return err
	}
	return right.stmt(of.Y)
}

// list simulates the two sides of && or ||, and returns the shell before the commands of it
// that may not run. In a && b && c, what b changes has changed when c runs.
func (s *shell) list(of *syntax.BinaryCmd) (before shell, err error) {
	elsewhere := s.Elsewhere
	if x, ok := of.X.Cmd.(*syntax.BinaryCmd); ok && of.Op == syntax.AndStmt && x.Op == syntax.AndStmt && !of.X.Negated {
		before, err = s.list(x)
	} else {
		err = s.stmt(of.X)
		before = *s.inner()
	}
	if err != nil {
		return before, err
	}
	after := s.Elsewhere
	if of.Op == syntax.AndStmt && succeeded(of.X) && !slices.Contains(after, Unknown) {
		s.Elsewhere = elsewhere
	}
	err = s.stmt(of.Y)
	s.perhapsIn(after...)
	return before, err
}

// succeeded reports whether every command of the left side of && has succeeded where the right
// side runs.
func succeeded(one *syntax.Stmt) bool {
	switch of := one.Cmd.(type) {
	case *syntax.CallExpr:
		return !one.Negated
	case *syntax.BinaryCmd:
		return of.Op == syntax.AndStmt && succeeded(of.X) && succeeded(of.Y)
	}
	return false
}

// written returns the texts that a command may print: those of echo, printf and
// here-documents in it, and [Unknown] if it may print others.
func (s *shell) written(one *syntax.Stmt) (texts []string) {
	exact := false
	syntax.Walk(one, func(node syntax.Node) bool {
		switch of := node.(type) {
		case *syntax.CallExpr:
			args := s.known(of.Args...)
			if len(args) == 0 {
				return false
			}
			if body := s.functions[args[0]]; body != nil && s.nesting <= maxNesting {
				inner := s.inner()
				inner.nesting++
				inner.parameters = slices.Concat([]string{}, args[1:])
				texts = append(texts, inner.written(body)...)
			}
			name, rest := ProgramOf(args)
			exact = node == one.Cmd && (name == "echo" || name == "printf" || name == "cat" && len(rest) == 0)
			if len(rest) > 0 && (name == "echo" || name == "printf") {
				texts = append(texts, printed(name, rest)...)
			}
			return false
		case *syntax.Redirect:
			if of.Hdoc != nil {
				texts = append(texts, strings.Join(s.known(of.Hdoc), " "))
			} else if of.Op == syntax.WordHdoc {
				texts = append(texts, strings.Join(s.known(of.Word), " "))
			}
			return false
		}
		return s.Stop() == ""
	})
	if len(texts) > 0 && !exact {
		texts = append(texts, Unknown)
	}
	return texts
}

// known returns what words expand to, without judging the substitutions in them.
func (s *shell) known(words ...*syntax.Word) (fields []string) {
	for _, word := range words {
		text, err := expand.Literal(s.config(), &syntax.Word{Parts: s.knowable(word.Parts)})
		if err != nil {
			text = Unknown
		}
		fields = append(fields, text)
	}
	return fields
}

// printed returns the text that echo or printf prints, as it stands in the arguments and with
// escapes and % replaced.
func printed(name string, args []string) []string {
	plain := strings.Join(args, " ")
	format := strings.ReplaceAll(plain, "%", "%%")
	if name == "printf" {
		format = args[0]
	}
	text, more := "", args[1:]
	for n := 1; n > 0 && len(text) < MaxText; { // printf repeats the format
		part, used, err := expand.Format(nil, format, more)
		if err != nil {
			break
		}
		text += part
		if more = more[used:]; name != "printf" || len(more) == 0 {
			break
		}
		n = used
	}
	return []string{plain, text}
}

// substituted returns the output of the substitutions in words, as far as it is known: the
// code in bash <(echo code) and sh -c "$(echo code)".
func (s *shell) substituted(words []*syntax.Word) (texts []string) {
	for _, word := range words {
		syntax.Walk(word, func(node syntax.Node) bool {
			var list []*syntax.Stmt
			switch of := node.(type) {
			case *syntax.CmdSubst:
				list = of.Stmts
			case *syntax.ProcSubst:
				list = of.Stmts
			}
			for _, one := range list {
				texts = append(texts, s.written(one)...)
			}
			return list == nil
		})
	}
	return texts
}

// conditions judges the words of [[ ]], (( )) and let, as if they were a command.
func (s *shell) conditions(of syntax.Node, c Command) (err error) {
	syntax.Walk(of, func(node syntax.Node) bool {
		word, ok := node.(*syntax.Word)
		if !ok || err != nil {
			return err == nil
		}
		var fields []string
		if fields, err = s.fields(word); err == nil {
			c.Words = append(c.Words, fields...)
		}
		return false
	})
	if err != nil {
		return err
	}
	return s.run(c)
}

// assign sets variables, and adds their values to the words of the command, to be judged with
// them.
func (s *shell) assign(assigns []*syntax.Assign, c *Command, declares bool) error {
	for _, one := range assigns {
		if one.Name == nil {
			if one.Value != nil {
				fields, err := s.fields(one.Value)
				if err != nil {
					return err
				}
				c.Words = append(c.Words, fields...)
			}
			continue
		}
		if one.Index != nil {
			if err := s.nested(one.Index); err != nil {
				return err
			}
		}
		name, v := one.Name.Value, expand.Variable{Set: true, Kind: expand.String}
		switch {
		case one.Naked:
			continue
		case one.Array != nil:
			v.Kind = expand.Indexed
			for _, element := range one.Array.Elems {
				if element.Index != nil {
					v.Str = Unknown
					if err := s.nested(element.Index); err != nil {
						return err
					}
				}
				if element.Value == nil {
					continue
				}
				fields, err := s.fields(element.Value)
				if err != nil {
					return err
				}
				v.List = append(v.List, fields...)
			}
			c.Words = append(c.Words, v.List...)
			if v.Str != "" || one.Append {
				v = expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
			}
		case one.Value != nil:
			text, err := s.literal(one.Value)
			if err != nil {
				return err
			}
			c.Words = append(c.Words, name+"="+text)
			if v.Str = text; one.Append {
				before, _ := s.value(name)
				v.Str = before + text
			}
		}
		if one.Index != nil {
			v = expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
		}
		s.set(name, v)
	}
	if declares {
		return s.run(*c)
	}
	return nil
}

// set sets a variable.
func (s *shell) set(name string, v expand.Variable) {
	if len(v.Str) > maxValue {
		v = expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
	}
	s.variables[name] = v
}

func (s *shell) forget(name string) {
	name, _, _ = strings.Cut(name, "[")
	if syntax.ValidName(name) {
		s.variables[name] = expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
	}
}

// forgetWord forgets the variable that arithmetic assigns to.
func (s *shell) forgetWord(x syntax.ArithmExpr) {
	if word, ok := x.(*syntax.Word); ok {
		s.forget(strings.Join(s.known(word), ""))
	}
}

// value returns the value of a variable, and whether it is set.
func (s *shell) value(name string) (string, bool) {
	v := s.Get(name)
	return v.String(), v.IsSet()
}

// Get implements [expand.Environ]. Variables that are not known are not set.
func (s *shell) Get(name string) expand.Variable {
	if name == "_" { // the last argument, and [Unknown] in a nested text
		return expand.Variable{}
	}
	if v, set := s.variables[name]; set {
		return v
	}
	if s.parameters != nil {
		switch {
		case name == "@" || name == "*":
			return expand.Variable{Set: true, Kind: expand.Indexed, List: s.parameters}
		case len(name) == 1 && name[0] >= '1' && name[0] <= '9':
			v := expand.Variable{Set: true, Kind: expand.String}
			if i := int(name[0] - '1'); i < len(s.parameters) {
				v.Str = s.parameters[i]
			}
			return v
		}
	}
	switch {
	case name == "PWD" && len(s.Elsewhere) > 0:
		return expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
	case name == "PWD":
		return expand.Variable{Set: true, Kind: expand.String, Str: s.Directory}
	case strings.HasPrefix(name, "HOME "): // of ~user, ~+ and ~-
		return expand.Variable{Set: true, Kind: expand.String, Str: Unknown}
	}
	if text, set := s.Lookup(name); set {
		return expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: text}
	}
	return expand.Variable{}
}

// Each implements [expand.Environ]. Only ${!prefix*} uses it.
func (s *shell) Each(each func(name string, v expand.Variable) bool) {
	for name, v := range s.variables {
		if !each(name, v) {
			return
		}
	}
}

func (s *shell) config() *expand.Config {
	return &expand.Config{
		Env:       s,
		CmdSubst:  func(w io.Writer, _ *syntax.CmdSubst) error { _, err := io.WriteString(w, Unknown); return err },
		ProcSubst: func(*syntax.ProcSubst) (string, error) { return Unknown, nil },
	}
}

// fields judges the substitutions in words and returns the fields that the words expand to.
func (s *shell) fields(words ...*syntax.Word) (fields []string, err error) {
	for _, word := range words {
		if err := s.nested(word); err != nil {
			return nil, err
		}
		for field, err := range expand.FieldsSeq(s.config(), &syntax.Word{Parts: s.knowable(word.Parts)}) {
			if err != nil {
				field = Unknown
			}
			if fields = append(fields, field); len(fields) > maxFields || len(field) > MaxText {
				return nil, denied(CannotJudge("its words expand to too many others, or too long ones"))
			}
			if err != nil {
				break
			}
		}
	}
	return fields, nil
}

// literal is like fields, without splitting the word into several fields.
func (s *shell) literal(word *syntax.Word) (string, error) {
	if err := s.nested(word); err != nil {
		return "", err
	}
	text, err := expand.Literal(s.config(), &syntax.Word{Parts: s.knowable(word.Parts)})
	if err != nil {
		text = Unknown
	}
	return text, nil
}

// nested judges the commands in the substitutions of a node.
func (s *shell) nested(node syntax.Node) (err error) {
	syntax.Walk(node, func(node syntax.Node) bool {
		var list []*syntax.Stmt
		switch of := node.(type) {
		case *syntax.CmdSubst:
			list = of.Stmts
		case *syntax.ProcSubst:
			list = of.Stmts
		case *syntax.UnaryArithm:
			if of.Op == syntax.Inc || of.Op == syntax.Dec {
				s.forgetWord(of.X)
			}
			return err == nil
		case *syntax.BinaryArithm:
			if op := of.Op.String(); strings.HasSuffix(op, "=") && !slices.Contains([]string{"==", "!=", "<=", ">="}, op) {
				s.forgetWord(of.X)
			}
			return err == nil
		default:
			return err == nil
		}
		if err == nil {
			inner := s.inner()
			inner.nesting++
			inner.feeds = true
			err = inner.stmts(list)
		}
		return false
	})
	return err
}

// knowable returns a copy of the parts of a word, with [Unknown] in place of expansions that
// package expand cannot compute.
func (s *shell) knowable(parts []syntax.WordPart) []syntax.WordPart {
	all := slices.Clone(parts)
	for i, part := range all {
		switch part := part.(type) {
		case *syntax.DblQuoted:
			quoted := *part
			quoted.Parts = s.knowable(part.Parts)
			all[i] = &quoted
		case *syntax.ArithmExp:
			number, err := expand.Arithm(s.config(), part.X)
			all[i] = &syntax.Lit{Value: fmt.Sprint(number)}
			if err != nil {
				all[i] = &syntax.Lit{Value: Unknown}
			}
		case *syntax.ParamExp:
			all[i] = s.knowableParameter(part)
		case *syntax.ExtGlob: // unlike other patterns, it may match a name with a leading dot
			all[i] = &syntax.Lit{Value: Unknown}
		}
	}
	return all
}

func (s *shell) knowableParameter(part *syntax.ParamExp) syntax.WordPart {
	if part.Param == nil {
		return &syntax.Lit{Value: Unknown}
	}
	value, known := s.value(part.Param.Value)
	plain := part.Slice == nil && part.Repl == nil && part.Exp == nil && !part.Length && !part.Excl && part.Index == nil
	replaces := false
	if part.Exp != nil {
		switch part.Exp.Op {
		case syntax.AlternateUnset, syntax.AlternateUnsetOrNull, syntax.DefaultUnset, syntax.DefaultUnsetOrNull,
			syntax.AssignUnset, syntax.AssignUnsetOrNull:
			replaces = true
		}
	}
	unknown := !replaces && s.isUnknown(part) || part.Repl != nil && anchored(part.Repl) || part.Index != nil && s.isUnknown(part.Index)
	switch {
	case unknown:
		return &syntax.Lit{Value: Unknown}
	case replaces && part.Exp.Word != nil:
		with := *part
		with.Exp = &syntax.Expansion{Op: part.Exp.Op, Word: &syntax.Word{Parts: s.knowable(part.Exp.Word.Parts)}}
		switch part.Exp.Op {
		case syntax.AssignUnset:
			with.Exp.Op = syntax.DefaultUnset
		case syntax.AssignUnsetOrNull:
			with.Exp.Op = syntax.DefaultUnsetOrNull
		}
		return &with
	case known && (plain || !strings.Contains(value, Unknown)):
		return part
	default:
		return &syntax.Lit{Value: Unknown}
	}
}

// isUnknown reports whether a word or a variable in an index or an operand of ${ } is Unknown.
func (s *shell) isUnknown(node syntax.Node) (unknown bool) {
	syntax.Walk(node, func(node syntax.Node) bool {
		word, ok := node.(*syntax.Word)
		if !ok {
			return true
		}
		text, err := expand.Literal(s.config(), &syntax.Word{Parts: s.knowable(word.Parts)})
		if syntax.ValidName(text) { // a variable in arithmetic
			text, _ = s.value(text)
		}
		unknown = unknown || err != nil || strings.ContainsAny(text, Unknown+"(") // +(x) of extglob
		return false
	})
	return unknown
}

// anchored reports whether package expand replaces differently from bash: # and % anchor a
// pattern, and & is what it matched.
func anchored(replace *syntax.Replace) bool {
	return replace.Orig != nil && strings.HasPrefix(strings.ReplaceAll(replace.Orig.Lit(), "%", "#"), "#") || replace.With != nil && strings.Contains(replace.With.Lit(), "&")
}
