// Package desktop starts the parts of a Linux desktop that tests need: a D-Bus session bus,
// which starts no services by itself, and the real GNOME Keyring.
package desktop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// A Desktop is a person's desktop. Its keyring is not running at first.
type Desktop struct {
	Address string // of its bus, for DBUS_SESSION_BUS_ADDRESS
	Dir     string // with its sockets

	t       testing.TB
	home    string // with the keyring's files
	bus     *dbus.Conn
	keyring *exec.Cmd
	said    bytes.Buffer // standard error of the keyring
}

// config is the configuration of a bus that activates no services.
const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`

const (
	secrets     = "org.freedesktop.secrets"
	secretsPath = "/org/freedesktop/secrets"
)

// New starts a desktop's bus with its files in dir, until the test ends. It skips the test if
// the programs are not installed.
func New(t testing.TB, dir string) *Desktop {
	t.Helper()
	for _, program := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program + "; e2e/install-tools installs it")
		}
	}
	d := &Desktop{t: t, Dir: dir, Address: "unix:path=" + filepath.Join(dir, "bus")}
	d.check(os.MkdirAll(dir, 0o700))
	// In memory: the keyring waits for the disk at each change, and programs for it only so long.
	if d.home, _ = os.MkdirTemp("/dev/shm", "oci-oidc-"); d.home == "" {
		d.home = dir
	}
	t.Cleanup(func() { _ = os.RemoveAll(d.home) })
	file := filepath.Join(dir, "bus.conf")
	d.check(os.WriteFile(file, fmt.Appendf(nil, config, filepath.Join(dir, "bus")), 0o600))
	bus := exec.Command("dbus-daemon", "--nofork", "--config-file="+file)
	d.check(bus.Start())
	t.Cleanup(func() { end(bus) })
	d.eventually("the bus answers", func() (is bool) {
		var err error
		d.bus, err = dbus.Connect(d.Address)
		return err == nil
	})
	t.Cleanup(func() { _ = d.bus.Close() })
	return d
}

// Unlock starts the keyring and unlocks it, as a login with a password does.
func (d *Desktop) Unlock() { d.t.Helper(); d.start("--unlock") }

// StartLocked starts the keyring locked, as an automatic login does.
func (d *Desktop) StartLocked() { d.t.Helper(); d.start("--start") }

func (d *Desktop) start(how string) {
	d.t.Helper()
	d.Stop()
	d.said.Reset()
	d.keyring = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", how)
	d.keyring.Stdin, d.keyring.Stderr = strings.NewReader("password"), &d.said
	d.keyring.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "XDG_RUNTIME_DIR=" + d.Dir, "DBUS_SESSION_BUS_ADDRESS=" + d.Address}
	d.check(d.keyring.Start())
	d.t.Cleanup(d.Stop)
	d.eventually("the keyring has its collection", func() bool {
		var collections []dbus.ObjectPath
		property, err := d.bus.Object(secrets, secretsPath).GetProperty("org.freedesktop.Secret.Service.Collections")
		return err == nil && property.Store(&collections) == nil && slices.ContainsFunc(collections, func(path dbus.ObjectPath) bool { return strings.HasSuffix(string(path), "/login") })
	})
}

// Stop ends the keyring. Its keys stay on the disk.
func (d *Desktop) Stop() {
	if d.keyring != nil {
		end(d.keyring)
		d.keyring = nil
		d.eventually("the keyring has ended", func() bool { return !d.hasKeyring() })
	}
}

// Asked stops the keyring and returns how often it tried to show its password prompt, which
// fails here because no program shows it.
func (d *Desktop) Asked() int {
	d.Stop()
	return strings.Count(d.said.String(), "couldn't create system prompt")
}

func (d *Desktop) hasKeyring() (has bool) {
	err := d.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secrets).Store(&has)
	return err == nil && has
}

// Keys returns the number of oci-oidc-helper's keys in the keyring.
func (d *Desktop) Keys() int { return len(d.keys()) }

// LoseKeys deletes oci-oidc-helper's keys from the keyring.
func (d *Desktop) LoseKeys() {
	d.t.Helper()
	for _, key := range d.keys() {
		d.check(d.bus.Object(secrets, key).Call("org.freedesktop.Secret.Item.Delete", 0).Err)
	}
}

func (d *Desktop) keys() []dbus.ObjectPath {
	d.t.Helper()
	var unlocked, locked []dbus.ObjectPath
	d.check(d.bus.Object(secrets, secretsPath).Call("org.freedesktop.Secret.Service.SearchItems", 0,
		map[string]string{"service": "opencode-oci-oidc"}).Store(&unlocked, &locked))
	return append(unlocked, locked...)
}

func (d *Desktop) eventually(what string, is func() bool) {
	d.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatal("not in time: " + what)
		}
	}
}

func (d *Desktop) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func end(command *exec.Cmd) {
	_ = command.Process.Kill()
	_ = command.Wait()
}
