package machine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// answerPatience is how long one call may take before it counts as failed.
const answerPatience = 30 * time.Second

// A Helper is one process of the helper, asked over its wire.
type Helper struct {
	command *exec.Cmd
	in      io.WriteCloser

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	ended   bool
}

type answer struct {
	ID     int `json:"id"`
	Result struct {
		AccessToken string `json:"accessToken"`
	} `json:"result"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// StartHelper starts a helper on the machine, and returns when it has answered.
func (m *Machine) StartHelper(program string) (*Helper, error) {
	h := &Helper{command: exec.Command(program, "--stdio"), waiting: map[int]chan answer{}}
	h.command.Dir, h.command.Env = m.Home, m.Environ()
	out, err := h.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if h.in, err = h.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.command.Start(); err != nil {
		return nil, err
	}
	go h.read(out)
	if _, err := h.Call("initialize"); err != nil {
		h.Kill()
		return nil, err
	}
	return h, nil
}

func (h *Helper) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil || a.ID == 0 {
			continue // a notification
		}
		h.mu.Lock()
		waiting := h.waiting[a.ID]
		delete(h.waiting, a.ID)
		h.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
	_ = h.command.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, waiting := range h.waiting {
		close(waiting)
	}
	h.waiting = nil
}

// Call asks the helper with a method that needs no parameters.
func (h *Helper) Call(method string) (answer, error) {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return answer{}, errors.New("the helper has ended")
	}
	h.next++
	id, waiting := h.next, make(chan answer, 1)
	h.waiting[id] = waiting
	_, err := fmt.Fprintf(h.in, `{"jsonrpc":"2.0","id":%d,"method":%q}`+"\n", id, method)
	h.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	select {
	case a, ok := <-waiting:
		switch {
		case !ok:
			return answer{}, errors.New("the helper has ended")
		case a.Error != nil:
			return answer{}, errors.New(a.Error.Message)
		default:
			return a, nil
		}
	case <-time.After(answerPatience):
		return answer{}, errors.New("no answer in time")
	}
}

// GetToken asks for the access token.
func (h *Helper) GetToken() (string, error) {
	a, err := h.Call("getToken")
	return a.Result.AccessToken, err
}

// Dead reports whether the helper was killed.
func (h *Helper) Dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// Halt stops the helper where it is, as a debugger does, and reports whether that is in
// the middle of a refresh: it holds the session's lock from before it sends the refresh
// token until its successor is on the disk. Where the system does not tell, it may be.
func (h *Helper) Halt() (refreshing bool) {
	const sigstop = syscall.Signal(19) // of Linux
	pid := h.command.Process.Pid
	if err := h.command.Process.Signal(sigstop); err != nil {
		return true
	}
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return true
		}
		// The state follows the name, which is in parentheses (proc(5)).
		if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "R") && !strings.HasPrefix(state, "S") && !strings.HasPrefix(state, "D") {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	locks, err := os.ReadFile("/proc/locks")
	return err != nil || strings.Contains(string(locks), fmt.Sprintf(" WRITE %d ", pid))
}

// Process is the helper's process.
func (h *Helper) Process() *os.Process { return h.command.Process }

// Kill ends the helper as kill -9 does, and returns when it is gone.
func (h *Helper) Kill() {
	_ = h.command.Process.Kill()
	for !h.Dead() {
		time.Sleep(time.Millisecond)
	}
}
