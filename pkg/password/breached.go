package password

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // the format of the file; nothing is kept safe by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Breached is the path of a file of leaked passwords as Have I Been Pwned
// publishes it "ordered by hash": lines of an upper-case SHA-1, sorted, each
// perhaps followed by ":" and a count. It may be as large as the disk: a look-up
// halves it some thirty times and keeps nothing in memory. No password leaves
// the server.
type Breached string

// hashLen is the length of a SHA-1 in hexadecimal.
const hashLen = 2 * sha1.Size

// check makes sure that the file can be searched.
func (b Breached) check() error {
	if b == "" {
		return nil
	}
	file, err := os.Open(string(b))
	if err != nil {
		return err
	}
	defer file.Close()
	first, err := lineFrom(file, 0)
	if hash, _, _ := strings.Cut(first.text, ":"); err != nil || len(hash) != hashLen || strings.Trim(hash, "0123456789ABCDEF") != "" {
		return fmt.Errorf("%s is not a list of SHA-1 sums in upper case, sorted, one a line; download the one that is ordered by hash", b)
	}
	return nil
}

// holds reports whether a password is in the file. While the file cannot be
// read nothing is: the other rules stand, and nobody is kept out by a disk.
func (b Breached) holds(chosen string) bool {
	if b == "" {
		return false
	}
	file, err := os.Open(string(b))
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false
	}
	sum := sha1.Sum([]byte(chosen))
	wanted := strings.ToUpper(hex.EncodeToString(sum[:]))
	// The line that is wanted begins in [low, high), if anywhere.
	for low, high := int64(0), info.Size(); low < high; {
		middle := low + (high-low)/2
		line, err := lineFrom(file, middle)
		switch {
		case errors.Is(err, io.EOF), err == nil && line.start >= high: // no line begins behind the middle
			high = middle
		case err != nil:
			return false
		case strings.HasPrefix(line.text, wanted):
			return true
		case line.text < wanted:
			low = line.start + int64(len(line.text))
		default:
			high = middle
		}
	}
	return false
}

// line is one of a file, with its end.
type line struct {
	start int64
	text  string
}

// lineFrom reads the first line that begins at a place or behind it. The error
// is io.EOF when there is none.
func lineFrom(file io.ReaderAt, at int64) (line, error) {
	start, skip := at, at > 0
	if skip {
		start-- // so that a line which begins at the place is found
	}
	in := bufio.NewReaderSize(io.NewSectionReader(file, start, 1<<62-start), 256)
	if skip {
		cut, err := in.ReadString('\n')
		if err != nil {
			return line{}, err
		}
		start += int64(len(cut))
	}
	text, err := in.ReadString('\n')
	if text == "" {
		return line{}, err
	}
	return line{start, text}, nil
}
