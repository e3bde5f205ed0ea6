package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// sealedVersion is the version of a token file that is encrypted. A version before
// there were such files leaves it alone.
const sealedVersion = 2

// sealedFile is a token file that is encrypted, as it is written: a [tokensFile], with
// AES-256-GCM and a fresh nonce a time. What is not secret of it, and whose it is, is
// authenticated too.
type sealedFile struct {
	Version int    `json:"version"`
	Key     string `json:"key"`    // its name in the keyring
	Sealed  []byte `json:"sealed"` // nonce, ciphertext, tag
}

// session is the name of the session, by which its files are called.
func (f *File) session() string { return strings.TrimSuffix(filepath.Base(f.path), ".json") }

// keyPrefix begins the names of the session's keys, so that no file can name another
// session's.
func (f *File) keyPrefix() string { return f.session()[:min(len(f.session()), 16)] + "." }

func (f *File) newKeyName() string {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	return f.keyPrefix() + hex.EncodeToString(random)
}

// seals reports whether the file is to be written encrypted, if it now has a key of the
// given name. A project's configuration cannot take a person's encryption away.
func (f *File) seals(keyName string) bool {
	return f.store == config.KeyringStore || keyName != "" && !f.own
}

// keyName is the name of the key that the file on the disk is encrypted with, or "".
func (f *File) keyName() string {
	text, err := regular.Read(f.path, maxTokensSize)
	if err != nil {
		return ""
	}
	file, err := f.parseSealed(text)
	if err != nil {
		return ""
	}
	return file.Key
}

// parseSealed reads the text of an encrypted token file. Its errors carry none of it.
func (f *File) parseSealed(text []byte) (sealedFile, error) {
	var file sealedFile
	random, ours := "", false
	if json.Unmarshal(text, &file) == nil && file.Version == sealedVersion {
		random, ours = strings.CutPrefix(file.Key, f.keyPrefix())
	}
	if _, err := hex.DecodeString(random); err != nil || !ours || random == "" || len(random) > 64 || len(file.Sealed) == 0 {
		return sealedFile{}, fmt.Errorf("%w: not an encrypted file of this session", errDamaged)
	}
	return file, nil
}

// open decrypts an encrypted token file.
func (f *File) open(text []byte) ([]byte, error) {
	file, err := f.parseSealed(text)
	if err != nil {
		return nil, err
	}
	key := keys.known(file.Key)
	if key == nil {
		if key, err = keys.get(file.Key); err != nil {
			return nil, err
		}
	}
	return f.decrypt(file, key)
}

func (f *File) decrypt(file sealedFile, key []byte) ([]byte, error) {
	plain, err := sealer(key).Open(nil, nil, file.Sealed, f.bound(file.Key))
	if err != nil {
		return nil, fmt.Errorf("%w: not what was encrypted", errDamaged)
	}
	return plain, nil
}

// A sealingKey is what a file is to be encrypted with.
type sealingKey struct {
	name string
	key  []byte
	new  bool // no file needs it yet
}

// sealingKey returns the key for the next write. keyName is that of the key of the
// present file, or "". The keyring is asked at each write, so that a key that it has
// lost is replaced while somebody still knows the tokens; while it cannot be asked, the
// key that this process has had serves.
func (f *File) sealingKey(keyName string) (sealingKey, error) {
	key, err := []byte(nil), errNoKey
	if keyName != "" {
		known := keys.known(keyName)
		if key, err = keys.get(keyName); KeyringFault(err) && known != nil {
			key, err = known, nil
		}
	}
	isNew := errors.Is(err, errNoKey)
	if isNew {
		keyName = f.newKeyName()
		key, err = keys.add(keyName)
	}
	return sealingKey{keyName, key, isNew}, err
}

func (f *File) encrypt(plain []byte, keyName string, key []byte) ([]byte, error) {
	return json.MarshalIndent(sealedFile{
		Version: sealedVersion, Key: keyName, Sealed: sealer(key).Seal(nil, nil, plain, f.bound(keyName)),
	}, "", "  ")
}

// sealer is AES-256-GCM that makes its nonces itself. The key is of the right size.
func sealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		if aead, err := cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err)
}

// bound is what belongs to the encrypted text: a file that is put in the place of
// another session's opens nothing.
func (f *File) bound(keyName string) []byte {
	return fmt.Appendf(nil, "%s %d %s %s", keyringService, sealedVersion, f.session(), keyName)
}

// A KeyringState is what a token file has to do with the keyring.
type KeyringState int

// The states.
const (
	KeyringUnused KeyringState = iota // the file is not encrypted and shall not be
	KeyringReady                      // it could hold a key
	KeyringHasKey                     // it holds the file's
)

// CheckKeyring asks the keyring where this file needs it. Its error is a problem of kind
// Store: the keyring does not answer.
func (f *File) CheckKeyring() (KeyringState, error) {
	name := f.keyName()
	if name == "" && !f.seals(name) {
		return KeyringUnused, nil
	}
	if name == "" {
		name = f.newKeyName()
	}
	switch _, err := keys.get(name); {
	case err == nil:
		return KeyringHasKey, nil
	case errors.Is(err, errNoKey):
		return KeyringReady, nil
	default:
		return KeyringUnused, keyringProblem(err)
	}
}

// CheckKeyringToSave is CheckKeyring where the next Save needs the keyring.
func (f *File) CheckKeyringToSave() error {
	if !f.seals(f.keyName()) {
		return nil
	}
	_, err := f.CheckKeyring()
	return err
}

// Encrypted reports whether the file on the disk is encrypted.
func (f *File) Encrypted() bool { return f.keyName() != "" }
