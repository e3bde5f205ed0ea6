package doctor

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// holder returns the program that listens on a TCP port, or "" if it cannot be found, for
// example because it is another user's.
func holder(ctx context.Context, port string) string {
	switch runtime.GOOS {
	case "linux":
		return linuxHolder(port)
	case "windows":
		return windowsHolder(ctx, port)
	default:
		return lsofHolder(outputOf(ctx, "lsof", "-nP", "-iTCP:"+port, "-sTCP:LISTEN", "-Fpc"))
	}
}

// outputOf runs a program with almost no environment, and returns what it prints.
func outputOf(ctx context.Context, program string, args ...string) string {
	command := exec.CommandContext(ctx, program, args...)
	command.Env = []string{}
	output, _ := command.Output()
	return string(output)
}

// linuxHolder finds the listening socket in /proc, and the process that has it open.
func linuxHolder(port string) string {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if inode, ok := listening(lines.Text(), port); ok {
				sockets["socket:["+inode+"]"] = true
			}
		}
		_ = file.Close()
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil && sockets[target] {
			pid := strings.Split(descriptor, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listening parses a line of /proc/net/tcp: the second field is the local address, the
// fourth the state (0A means listening), the tenth the inode.
func listening(line, port string) (inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" {
		return "", false
	}
	_, hex, _ := strings.Cut(fields[1], ":")
	number, err := strconv.ParseUint(hex, 16, 16)
	return fields[9], err == nil && strconv.FormatUint(number, 10) == port
}

// lsofHolder parses the output of lsof -Fpc: for each process a line p and a line c.
func lsofHolder(output string) string {
	pid := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "p"); ok {
			pid = after
		}
		if name, ok := strings.CutPrefix(line, "c"); ok {
			return fmt.Sprintf("%s (process %s)", name, pid)
		}
	}
	return ""
}

func windowsHolder(ctx context.Context, port string) string {
	if pid := netstatHolder(outputOf(ctx, "netstat", "-ano", "-p", "TCP"), port); pid != "" {
		return "process " + pid
	}
	return ""
}

// netstatHolder parses the output of netstat -ano on Windows. Its words depend on the
// language, so only the fields count: the second is the local address, the third the remote
// one, which ends in ":0" for a listener, and the last the process.
func netstatHolder(output, port string) string {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) >= 5 && strings.HasSuffix(fields[1], ":"+port) && strings.HasSuffix(fields[2], ":0") {
			return fields[len(fields)-1]
		}
	}
	return ""
}
