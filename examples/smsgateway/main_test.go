package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
)

func TestConformance(t *testing.T) {
	smstest.Run(t, func(t *testing.T) smstest.Harness {
		folder := t.TempDir()
		gateway, err := (&Spool{Folder: folder}).Open(t.Context(), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		return smstest.Harness{Gateway: gateway, Received: func() []smstest.Received { return spooled(t, folder) }}
	})
}

// spooled reads the files as the modem's program does.
func spooled(t *testing.T, folder string) []smstest.Received {
	files, err := filepath.Glob(filepath.Join(folder, "*.sms"))
	if err != nil {
		t.Fatal(err)
	}
	var out []smstest.Received
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, text, _ := strings.Cut(string(content), "\n\n")
		out = append(out, smstest.Received{To: strings.TrimPrefix(head, "To: "), Text: text})
	}
	return out
}

// F-SMS-01: a message that is given again is the same file.
func TestOnce(t *testing.T) {
	spool := &Spool{Folder: t.TempDir()}
	for range 3 {
		if err := spool.Send(t.Context(), smstest.Message); err != nil {
			t.Fatal(err)
		}
	}
	if got := spooled(t, spool.Folder); len(got) != 1 {
		t.Errorf("%d files, want 1", len(got))
	}
}

func TestNoFolder(t *testing.T) {
	if _, err := (&Spool{Folder: filepath.Join(t.TempDir(), "none")}).Open(t.Context(), struct{}{}); err == nil {
		t.Error("opened without its folder")
	}
	gone := &Spool{Folder: filepath.Join(t.TempDir(), "gone")}
	if err := gone.Send(t.Context(), sms.Message{ID: "a", To: "+33639980001", Text: "a"}); err == nil {
		t.Error("sent into nothing")
	}
}
