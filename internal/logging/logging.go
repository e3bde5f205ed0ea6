// Package logging is where every room writes what it does: one [slog.Logger]
// over a file that only its owner reads, from the first moment of the process.
//
// The file is opened before the configuration is read, at level INFO, because
// the configuration is the thing that most often is wrong; [Log.Configure]
// moves to the configured level and file. A log that cannot be written never
// stops the program.
//
// Secrets are kept out four times: by type (secret.Text), by attribute name, by
// value (whatever this process has seen as a secret), and by shape (whatever looks
// like a JSON Web Token or a Bearer header).
package logging

import (
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
)

// Log is the log of one process. It is safe for concurrent use.
type Log struct {
	*slog.Logger
	level slog.LevelVar
	file  file
}

// Open returns the log in the file at path, at level INFO. The file is made at
// the first record; with an empty path nothing is written.
func Open(path string) *Log {
	l := &Log{file: file{path: path}}
	l.Logger = slog.New(l.fileHandler())
	return l
}

// AlsoTo returns the log with a second place for its records: a person's
// terminal, in colour where that is wanted.
func (l *Log) AlsoTo(w io.Writer, level slog.Level, colour bool) *slog.Logger {
	terminal := tint.NewTextHandler(w, &tint.Options{
		Level: level, NoColor: !colour, TimeFormat: "15:04:05.000", ReplaceAttr: redact,
	})
	return slog.New(slog.NewMultiHandler(l.fileHandler(), terminal))
}

func (l *Log) fileHandler() slog.Handler {
	return slog.NewTextHandler(&l.file, &slog.HandlerOptions{Level: &l.level, ReplaceAttr: redact})
}

// Configure moves on to the configured level and file. One that is bound is written at
// this very path: not where a link has come since on the way to it.
func (l *Log) Configure(level slog.Level, path string, bound bool) {
	l.level.Set(level)
	l.file.move(path, bound)
}

// Path returns the file's path.
func (l *Log) Path() string {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	return l.file.path
}

// Close closes the file. A later record opens it again.
func (l *Log) Close() {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	l.file.close()
}
