package machine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// Talking reports whether the helper has a connection open: its own conversation
// goes over pipes, so that can only be the domain's. Where the system does not
// tell, it may have.
func (h *Helper) Talking() bool {
	dir := fmt.Sprintf("/proc/%d/fd", h.command.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	for _, file := range files {
		if target, err := os.Readlink(filepath.Join(dir, file.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			return true
		}
	}
	return false
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
