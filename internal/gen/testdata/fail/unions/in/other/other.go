// Package other has a sealed interface that it does not register.
package other

type Animal interface{ isAnimal() }

type (
	Cat struct {
		Lives int `json:"lives"`
	}
	Dog struct {
		Bones int `json:"bones"`
	}
)

func (Cat) isAnimal() {}
func (Dog) isAnimal() {}
