// Package geo has a union for others.
package geo

import "github.com/levada-io/levada/record"

// Where is a place, by coordinates or by name.
type Where interface{ isWhere() }

// Point is a place on the map.
type Point struct {
	Lat  float64 `json:"lat"`
	Long float64 `json:"long"`
}

// Name is a place that people know.
type Name string

func (Point) isWhere() {}
func (Name) isWhere()  {}

var _ = record.Union[Where](Name(""), Point{})
