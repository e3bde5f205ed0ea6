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

// holder returns which program listens at a TCP port, or "" where that cannot be
// told: another user's programs do not show.
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

// outputOf is what a program prints that needs nothing of our environment.
func outputOf(ctx context.Context, program string, args ...string) string {
	command := exec.CommandContext(ctx, program, args...)
	command.Env = []string{}
	output, _ := command.Output()
	return string(output)
}

// linuxHolder looks for the listening socket in /proc, and for who has it open.
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

// listening reads a line of /proc/net/tcp: the local address is the second field,
// the state the fourth (0A listens), the inode the tenth.
func listening(line, port string) (inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" {
		return "", false
	}
	_, hex, _ := strings.Cut(fields[1], ":")
	number, err := strconv.ParseUint(hex, 16, 16)
	return fields[9], err == nil && strconv.FormatUint(number, 10) == port
}

// lsofHolder reads the output of lsof -Fpc: a line p and one c a process.
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

// netstatHolder reads the output of Windows' netstat -ano, whose words depend on
// the language: the address is the second field, that of the other side ends in
// ":0" for a listener, the process is the last.
func netstatHolder(output, port string) string {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) >= 5 && strings.HasSuffix(fields[1], ":"+port) && strings.HasSuffix(fields[2], ":0") {
			return fields[len(fields)-1]
		}
	}
	return ""
}
