package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
)

const (
	followLog = 200 * time.Millisecond // how often --follow looks for new lines
	logTail   = 1 << 20                // how much of the log is searched for its last lines, in bytes
)

func (a *app) logsCommand() *cobra.Command {
	var (
		follow bool
		lines  uint
	)
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the log, and what is added to it",
		Example: `  oci-oidc-helper logs
  oci-oidc-helper logs --lines 500
  oci-oidc-helper logs --follow`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := a.logPath()
			file, err := regular.Open(path)
			switch {
			case path == "":
				return problem.New(problem.Store, "There is no log, because there is no home directory.", "Set HOME to the whole path of yours, or name a file as log_file in the configuration.")
			case errors.Is(err, fs.ErrNotExist) && !follow:
				return problem.New(problem.Store, fmt.Sprintf("There is no log at %s yet.", path),
					"Run a command first, or start OpenCode.").Because(err)
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return problem.New(problem.Store, fmt.Sprintf("The log %s %s.", path, regular.Why(err)), "Make it a file that you can read, or name another one with log_file.").Because(err)
			}
			if file != nil {
				err = showTail(cmd.OutOrStdout(), file, lines)
			}
			if follow {
				err = followFile(cmd.Context(), cmd.OutOrStdout(), path, file)
			} else {
				_ = file.Close()
			}
			if out, ok := cmd.OutOrStdout().(*output); ok && closedPipe(err) {
				out.err, err = nil, nil // a reader such as head has read enough
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on showing what is added, until ^C")
	cmd.Flags().UintVarP(&lines, "lines", "n", 100, "how many of the last lines to show")
	return cmd
}

// logPath returns the path of the log by the configuration of the project directory, or the
// default path if the configuration cannot be used.
func (a *app) logPath() string {
	if config, err := a.config(); err == nil {
		return config.LogFile
	}
	return a.places.LogFile
}

// showTail prints the last lines of a file. The file's offset is then at its end.
func showTail(w io.Writer, file *os.File, lines uint) error {
	if size, err := file.Seek(0, io.SeekEnd); err == nil && size > logTail {
		_, _ = file.Seek(size-logTail, io.SeekStart)
	} else {
		_, _ = file.Seek(0, io.SeekStart)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	start := len(text)
	for n := uint(0); start > 0 && n < lines; n++ {
		start = bytes.LastIndexByte(text[:start-1], '\n') + 1
	}
	_, err = w.Write(text[start:])
	return err
}

// followFile prints what is added to the log until the context ends. After a rotation it
// continues with the new file. The file is nil if the log does not exist yet.
func followFile(ctx context.Context, w io.Writer, path string, file *os.File) error {
	for {
		if file != nil {
			if _, err := io.Copy(w, file); err != nil {
				return err
			}
		}
		if next := reopened(path, file); next != nil {
			if file != nil {
				_ = file.Close()
			}
			file = next
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followLog):
		}
	}
}

// reopened returns the file at path if it is not the given file any more, or nil.
func reopened(path string, file *os.File) *os.File {
	now, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if file != nil {
		if before, err := file.Stat(); err != nil || os.SameFile(before, now) {
			return nil
		}
	}
	next, _ := regular.Open(path)
	return next
}
