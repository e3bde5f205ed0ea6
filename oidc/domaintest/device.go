package domaintest

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A device is a device code and what became of it.
type device struct {
	userCode string
	client   Client
	scopes   []scope
	resource []string
	expires  time.Time
	hurried  int // how many polls were answered slow_down
	denied   bool
	grant    *grant // nil until a person allowed it
}

// deviceMemory is how long an expired device code is still known as expired.
const deviceMemory = time.Hour

// device answers a device authorization request (RFC 8628, section 3.1), for which
// no client need authenticate and which must have a response_type of its own.
func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	form, options := r.PostForm, s.current()
	client, ok := options.client(form.Get("client_id"))
	if _, _, basic := r.BasicAuth(); basic {
		authenticated, refused := s.authenticate(r)
		client, ok = authenticated, refused == nil
	}
	if !ok {
		errInvalidClient.write(w)
		return
	}
	if form.Get("response_type") != "device_code" {
		badRequest("invalid_request", "The response_type must be device_code.").write(w)
		return
	}
	scopes, refused := options.parseScopes(form.Get("scope"))
	if refused != nil {
		refused.write(w)
		return
	}
	resource, refused := options.resources(form)
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusOK, s.newDevice(client, scopes, resource))
}

// newDevice issues a device code. The answer has no interval and no complete address.
func (s *Server) newDevice(client Client, scopes []scope, resource []string) map[string]any {
	options, now := s.current(), s.Clock.Now()
	issued := &device{userCode: newUserCode(), client: client, scopes: scopes, resource: resource,
		expires: now.Add(seconds(options.DeviceLife))}
	if options.AutoApproveDevices {
		issued.grant = s.allowDevice(issued, options.Users[0])
	}
	text := newUUID()
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.devices.put(text, issued, now, issued.expires.Add(deviceMemory))
	return map[string]any{"expires_in": options.DeviceLife, "device_code": text, "user_code": issued.userCode, "verification_uri": s.URL + pathDevicePage}
}

// allowDevice returns what user allows the device.
func (s *Server) allowDevice(d *device, user User) *grant {
	allowed := s.newGrant(d.client, user, d.scopes, "")
	allowed.resource = d.resource
	return allowed
}

// pollDevice answers one poll (RFC 8628, section 3.5). An approved code serves once.
func (s *Server) pollDevice(client Client, form url.Values) (*grant, *refusal) {
	now, text := s.Clock.Now(), form.Get("device_code")
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	polled, ok := s.state.devices.get(text, now)
	switch {
	case !ok, polled.client.ID != client.ID:
		return nil, badRequest("invalid_grant", "The device code is not known.")
	case polled.hurried < s.current().SlowDown:
		polled.hurried++
		return nil, badRequest("slow_down", "Wait longer between two requests.")
	case !now.Before(polled.expires):
		return nil, badRequest("expired_token", "The device code has expired.")
	case polled.denied:
		return nil, badRequest("access_denied", "The user denied the request.")
	case polled.grant == nil:
		return nil, badRequest("authorization_pending", "The user has not answered yet.")
	}
	delete(s.state.devices, text)
	return polled.grant, nil
}

// ApproveDevice allows the device code with that user code, as the first user would
// on the device page.
func (s *Server) ApproveDevice(userCode string) error {
	return s.decideDevice(userCode, func(waiting *device) {
		waiting.grant = s.allowDevice(waiting, s.current().Users[0])
	})
}

// DenyDevice denies the device code with that user code.
func (s *Server) DenyDevice(userCode string) error {
	return s.decideDevice(userCode, func(waiting *device) { waiting.denied = true })
}

// decideDevice lets decide settle the device code that waits for a person under
// userCode. The error says that there is none.
func (s *Server) decideDevice(userCode string, decide func(*device)) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	waiting, ok := s.state.waiting(userCode, s.Clock.Now())
	if !ok {
		return fmt.Errorf("no device waits with the code %q", userCode)
	}
	decide(waiting)
	return nil
}

// waiting returns the device code that waits for a person under userCode.
func (s *state) waiting(userCode string, now time.Time) (*device, bool) {
	for kept := range maps.Values(s.devices) {
		if kept.thing.userCode == userCode && kept.thing.waits(now) {
			return kept.thing, true
		}
	}
	return nil, false
}

func (d *device) waits(now time.Time) bool {
	return d.grant == nil && !d.denied && now.Before(d.expires)
}

// approveAll allows every waiting device code.
func (s *Server) approveAll() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	for _, kept := range s.state.devices {
		if kept.thing.waits(s.Clock.Now()) {
			kept.thing.grant = s.allowDevice(kept.thing, s.current().Users[0])
		}
	}
}

// deviceForm shows the page where a person enters the user code.
func (s *Server) deviceForm(w http.ResponseWriter, _ *http.Request) {
	if s.current().AutoApprove {
		s.approveAll()
		showMessage(w, "Device signed in", "You can close this page and go back to your device.")
		return
	}
	showDevice(w, devicePage{})
}

// deviceAnswer takes what a person did on the device page: first the user code
// alone, then with it who they are and whether they allow it.
func (s *Server) deviceAnswer(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	page := devicePage{UserCode: readUserCode(form.Get("user_code")), UserName: form.Get("username")}
	s.state.mu.Lock()
	waiting, ok := s.state.waiting(page.UserCode, s.Clock.Now())
	s.state.mu.Unlock()
	if !ok {
		page.Problem = "This code is not valid. Check it, or ask your device for a new one."
		showDevice(w, page)
		return
	}
	page.Client = waiting.client.ID
	s.decide(w, form, page)
}

// decide settles the device code of page as form says, or asks once more.
func (s *Server) decide(w http.ResponseWriter, form url.Values, page devicePage) {
	switch form.Get("decision") {
	case "allow":
		user, ok := s.current().user(form.Get("username"), form.Get("password"))
		if !ok {
			page.Problem = "You entered an incorrect user name or password."
			showDevice(w, page)
			return
		}
		_ = s.decideDevice(page.UserCode, func(waiting *device) {
			waiting.grant = s.allowDevice(waiting, user)
		}) // if it expired this very moment, the device is told so
		showMessage(w, "Device signed in", "You can close this page and go back to your device.")
	case "deny":
		_ = s.DenyDevice(page.UserCode)
		showMessage(w, "Request denied", "Your device was not signed in. You can close this page.")
	default:
		showDevice(w, page)
	}
}

// readUserCode forgives the case and the separators that people type (RFC 8628,
// section 6.1).
func readUserCode(typed string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
}

// newUserCode returns eight letters without vowels, which spell no word.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails, by its documentation
	for i := range random {
		random[i] = letters[int(random[i])%len(letters)]
	}
	return string(random)
}

// newUUID returns a random UUID.
func newUUID() string {
	digits := randomHex(16)
	return digits[:8] + "-" + digits[8:12] + "-4" + digits[13:16] + "-a" + digits[17:20] + "-" + digits[20:]
}
