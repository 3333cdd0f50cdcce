import sys

from langchain.chains import LLMChain
from langchain.memory import ConversationBufferMemory
from langchain_community.chat_message_histories import SQLChatMessageHistory
from langchain_core.prompts import PromptTemplate
from langchain_openai import OpenAI

prompt = PromptTemplate.from_template("{history}\nHuman: {message}\nAI:")
for session, message in [
    ("ada", "I am Ada."),
    ("grace", "I am Grace."),
    ("ada", "What is my name?"),
]:
    history = SQLChatMessageHistory(session, connection_string="sqlite:///" + sys.argv[1])
    memory = ConversationBufferMemory(chat_memory=history)
    chain = LLMChain(llm=OpenAI(), prompt=prompt, memory=memory)
    print(chain.predict(message=message))
