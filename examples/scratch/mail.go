package main

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/loge-idp/loge/pkg/mail"
)

// receive is a mail server: whatever it is given goes to the sender. It ends
// with its listener.
func receive(listener net.Listener, to mail.Sender) {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{to: to}, nil }))
	server.Domain = "localhost"
	_ = server.Serve(listener)
}

// delivery is one connection to the mail server.
type delivery struct {
	to        mail.Sender
	recipient string
}

func (d *delivery) Reset()                               { d.recipient = "" }
func (d *delivery) Logout() error                        { return nil }
func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (d *delivery) Rcpt(recipient string, _ *smtp.RcptOptions) error {
	d.recipient = recipient
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil {
		return err
	}
	text, err := plain(message)
	if err != nil {
		return err
	}
	return d.to.Send(context.Background(), mail.Message{ID: "received", To: d.recipient, Subject: subject, Text: text})
}

// plain is the plain text of a message of several parts.
func plain(message *netmail.Message) (string, error) {
	_, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	parts := multipart.NewReader(message.Body, parameters["boundary"])
	for {
		part, err := parts.NextPart() // undoes quoted-printable
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			text, err := io.ReadAll(part)
			return string(text), err
		}
	}
}
